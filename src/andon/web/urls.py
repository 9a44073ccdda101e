"""Addresses of the pages that belong to no slice."""

from django.urls import URLPattern, URLResolver, path

from andon.web import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.home, name="home"),
    path("lamps", pages.lamps, name="lamps"),
    path("healthz", pages.healthz, name="healthz"),
    path("readyz", pages.readyz, name="readyz"),
]
