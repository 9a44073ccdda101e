"""Addresses of kill switches."""

from django.urls import URLPattern, URLResolver, path

from andon.switch import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("systems/<slug:slug>/switch", pages.switch, name="switch"),
    path("systems/<slug:slug>/switch/staleness", pages.staleness, name="switch_staleness"),
    path("systems/<slug:slug>/switch/tokens", pages.make_token, name="guard_token_make"),
    path("systems/<slug:slug>/switch/tokens/<uuid:pk>/revoke", pages.revoke_token, name="guard_token_revoke"),
    path("systems/<slug:slug>/switch/replicas/<uuid:pk>/forget", pages.forget_replica, name="replica_forget"),
]
