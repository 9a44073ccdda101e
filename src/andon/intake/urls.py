"""Addresses of this slice's pages. Signals come in before Django: see `andon.intake.asgi`."""

from django.urls import URLPattern, URLResolver, path

from andon.intake import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("signals", pages.signals, name="signals"),
    path("signals/<uuid:pk>", pages.signal, name="signal"),
    path("integrations", pages.integrations, name="integrations"),
    path("integrations/new", pages.create, name="integration_create"),
    path("integrations/<slug:slug>", pages.integration, name="integration"),
    path("integrations/<slug:slug>/token", pages.rotate, name="integration_rotate"),
    path("integrations/<slug:slug>/test", pages.test, name="integration_test"),
    path("integrations/<slug:slug>/disable", pages.disable, name="integration_disable"),
    path("integrations/<slug:slug>/enable", pages.enable, name="integration_enable"),
]
