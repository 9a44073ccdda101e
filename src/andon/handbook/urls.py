"""Addresses of the handbook."""

from django.urls import URLPattern, URLResolver, path

from andon.handbook import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("handbook", pages.handbook, name="handbook"),
    path("handbook/applied/<int:number>", pages.applied, name="handbook_applied"),
]
