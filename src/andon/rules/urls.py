"""Addresses of rules."""

from django.urls import URLPattern, URLResolver, path

from andon.rules import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("rules", pages.rules, name="rules"),
    path("rules/new", pages.choose, name="rule_choose"),
    path("rules/new/<slug:kind>", pages.create, name="rule_create"),
    path("rules/<int:number>", pages.rule, name="rule"),
    path("rules/<int:number>/change", pages.change, name="rule_change"),
    path("rules/<int:number>/end", pages.end, name="rule_end"),
    path("rules/<int:number>/move", pages.move, name="rule_move"),
]
