"""Addresses of this slice's pages."""

from django.urls import URLPattern, URLResolver, path

from andon.oncall import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("ical/<str:token>.ics", pages.calendar_feed, name="calendar_feed"),
]
