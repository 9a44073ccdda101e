"""Addresses of this slice's pages."""

from django.urls import URLPattern, URLResolver, path

from andon.paging import pace_pages, pages
from andon.paging.providers import pages as providers

urlpatterns: list[URLPattern | URLResolver] = [
    path("contact-points/<uuid:pk>/test", pages.contact_point_test, name="contact_point_test"),
    path("settings/channels", providers.channels, name="channels"),
    path("settings/channels/<slug:kind>", providers.channel, name="channel"),
    path("settings/channels/<slug:kind>/pace", pace_pages.channel_pace, name="channel_pace"),
    path("settings/channels/<slug:kind>/pace/reset", pace_pages.channel_pace_reset, name="channel_pace_reset"),
    path("settings/channels/<slug:kind>/disable", providers.disable, name="channel_disable"),
    path("settings/channels/<slug:kind>/enable", providers.enable, name="channel_enable"),
    path("settings/channels/<slug:kind>/test", providers.test, name="channel_test"),
    path("account/push", pages.push_turn_on, name="push_turn_on"),
    path("push-worker.js", pages.push_worker, name="push_worker"),
]
