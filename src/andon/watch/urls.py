"""Addresses of decision logs and watches."""

from django.urls import URLPattern, URLResolver, path

from andon.watch.pages import logs, watches

urlpatterns: list[URLPattern | URLResolver] = [
    path("watches", watches.watches, name="watches"),
    path("watches/<int:number>", watches.watch, name="watch"),
    path("watches/<int:number>/change", watches.change, name="watch_change"),
    path("watches/<int:number>/try", watches.try_, name="watch_try"),
    path("watches/<int:number>/pause", watches.pause, name="watch_pause"),
    path("watches/<int:number>/resume", watches.resume, name="watch_resume"),
    path("watches/<int:number>/run", watches.run, name="watch_run"),
    path("watches/<int:number>/labels", watches.as_they_come, name="watch_as_they_come"),
    path("watches/<int:number>/end", watches.end, name="watch_end"),
    path("systems/<slug:slug>/watches/new", watches.choose, name="watch_choose"),
    path("systems/<slug:slug>/watches/new/<slug:kind>", watches.create, name="watch_create"),
    path("systems/<slug:slug>/logs/new", logs.create, name="log_create"),
    path("logs/<uuid:key>", logs.log, name="log"),
    path("logs/<uuid:key>/change", logs.change, name="log_change"),
    path("logs/<uuid:key>/end", logs.end, name="log_end"),
    path("logs/<uuid:key>/suggest", logs.suggest, name="log_suggest"),
]
