"""Addresses of levers and pulls."""

from django.urls import URLPattern, URLResolver, path

from andon.containment import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("levers", pages.levers, name="levers"),
    path("levers/<int:number>", pages.lever, name="lever"),
    path("levers/<int:number>/change", pages.change, name="lever_change"),
    path("levers/<int:number>/try", pages.try_, name="lever_try"),
    path("levers/<int:number>/rehearse", pages.rehearse, name="lever_rehearse"),
    path("levers/<int:number>/end", pages.end, name="lever_end"),
    path("systems/<slug:slug>/levers/new", pages.choose, name="lever_choose"),
    path("systems/<slug:slug>/levers/new/<slug:kind>", pages.create, name="lever_create"),
    path("pulls/<int:number>", pages.show_pull, name="pull"),
    path("pulls/<int:number>/approve", pages.approve, name="pull_approve"),
    path("pulls/<int:number>/decline", pages.decline, name="pull_decline"),
    path("pulls/<int:number>/withdraw", pages.withdraw, name="pull_withdraw"),
    path("pulls/<int:number>/undo", pages.undo, name="pull_undo"),
]
