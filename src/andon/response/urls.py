"""Addresses of the response: the incident page and its acts."""

from django.urls import URLPattern, URLResolver, path

from andon.response import ack_urls, lever_pages, pagerduty_pages, pages, phone_urls

_ONE = "incidents/<int:number>"

urlpatterns: list[URLPattern | URLResolver] = [
    *ack_urls.urlpatterns,
    *phone_urls.urlpatterns,
    path("pagerduty/events", pagerduty_pages.events, name="pagerduty_events"),
    path("declare", pages.declare, name="declare"),
    path(_ONE, pages.incident, name="incident"),
    path(f"{_ONE}/timeline", pages.timeline, name="incident_timeline"),
    path(f"{_ONE}/acknowledge", pages.acknowledge, name="incident_acknowledge"),
    path(f"{_ONE}/contain", pages.contain, name="incident_contain"),
    path(f"{_ONE}/levers/<int:lever>", lever_pages.lever, name="incident_lever"),
    path(f"{_ONE}/levers/<int:lever>/pull", lever_pages.pull, name="incident_pull"),
    path(f"{_ONE}/waive", pages.waive, name="incident_waive"),
    path(f"{_ONE}/promises/<str:key>", pages.keep, name="incident_promise"),
    path(f"{_ONE}/resolve", pages.resolve, name="incident_resolve"),
    path(f"{_ONE}/reopen", pages.reopen, name="incident_reopen"),
    path(f"{_ONE}/close", pages.close, name="incident_close"),
    path(f"{_ONE}/note", pages.note, name="incident_note"),
    path(f"{_ONE}/link", pages.link, name="incident_link"),
    path(f"{_ONE}/role", pages.role, name="incident_role"),
    path(f"{_ONE}/onset", pages.onset, name="incident_onset"),
    path(f"{_ONE}/type", pages.change_type, name="incident_type"),
    path(f"{_ONE}/system", pages.set_system, name="incident_system"),
    path(f"{_ONE}/restrict", pages.restrict, name="incident_restrict"),
    path(f"{_ONE}/severity", pages.severity, name="incident_severity"),
    path(f"{_ONE}/severity/decide", pages.decide_lowering, name="incident_lowering"),
    path(f"{_ONE}/steps/<slug:key>", pages.step, name="incident_step"),
    path(f"{_ONE}/steps/<slug:key>/waive", pages.step_waive, name="incident_step_waive"),
]
