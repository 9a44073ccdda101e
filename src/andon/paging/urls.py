"""Addresses of this slice's pages."""

from django.urls import URLPattern, URLResolver, path

from andon.paging import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("contact-points/<uuid:pk>/test", pages.contact_point_test, name="contact_point_test"),
]
