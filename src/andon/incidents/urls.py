"""Addresses of the list of incidents. Those of one incident are in `andon.response.urls`."""

from django.urls import URLPattern, URLResolver, path

from andon.incidents import pages

urlpatterns: list[URLPattern | URLResolver] = [path("incidents", pages.incidents, name="incidents")]
