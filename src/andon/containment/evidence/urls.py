"""Addresses of an incident's evidence."""

from django.urls import URLPattern, URLResolver, path

from andon.containment.evidence import pages

_ALL = "incidents/<int:number>/evidence"

urlpatterns: list[URLPattern | URLResolver] = [
    path(_ALL, pages.evidence, name="evidence"),
    path(f"{_ALL}/preserve", pages.preserve, name="evidence_preserve"),
    path(f"{_ALL}/missing", pages.collect_missing, name="evidence_missing"),
    path(f"{_ALL}/archive", pages.archive, name="evidence_archive"),
    path(f"{_ALL}/<int:which>/<str:name>", pages.item, name="evidence_item"),
    path(f"{_ALL}/<int:which>/<str:name>/erase", pages.erase, name="evidence_erase"),
]
