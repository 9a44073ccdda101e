"""Addresses of this slice's pages."""

from django.urls import URLPattern, URLResolver, path

from andon.registry.pages import components, oncall, systems

urlpatterns: list[URLPattern | URLResolver] = [
    path("oncall", oncall.oncall, name="oncall"),
    path("systems", systems.systems, name="systems"),
    path("systems/new", systems.create, name="system_create"),
    path("systems/<slug:slug>", systems.system, name="system"),
    path("systems/<slug:slug>/change", systems.change, name="system_change"),
    path("systems/<slug:slug>/changes", systems.changes, name="system_changes"),
    path("systems/<slug:slug>/stage", systems.move_stage, name="system_stage"),
    path("systems/<slug:slug>/components", systems.depend, name="system_depend"),
    path(
        "systems/<slug:slug>/components/<slug:component>/remove",
        systems.stop_depending,
        name="system_stop_depending",
    ),
    path("components", components.components, name="components"),
    path("components/new", components.create, name="component_create"),
    path("components/<slug:slug>", components.component, name="component"),
    path("components/<slug:slug>/change", components.change, name="component_change"),
]
