"""Addresses of this slice's pages."""

from django.urls import URLPattern, URLResolver, path

from andon.oncall.pages import chains, feeds, layers, schedules

urlpatterns: list[URLPattern | URLResolver] = [
    path("ical/<str:token>.ics", feeds.calendar_feed, name="calendar_feed"),
    path("oncall/feed", feeds.new, name="feed_new"),
    path("oncall/feed/stop", feeds.stop, name="feed_stop"),
    path("schedules", schedules.schedules, name="schedules"),
    path("schedules/new", schedules.create, name="schedule_create"),
    path("schedules/<slug:slug>", schedules.schedule, name="schedule"),
    path("schedules/<slug:slug>/change", schedules.change, name="schedule_change"),
    path("schedules/<slug:slug>/archive", schedules.archive, name="schedule_archive"),
    path("schedules/<slug:slug>/take-over", schedules.take_over, name="take_over"),
    path("schedules/<slug:slug>/overrides/<uuid:key>/cancel", schedules.cancel_override, name="override_cancel"),
    path("schedules/<slug:slug>/import", layers.import_calendar, name="calendar_import"),
    path("schedules/<slug:slug>/layers/new", layers.layer, name="layer_create"),
    path("schedules/<slug:slug>/layers/<int:position>", layers.layer, name="layer"),
    path("schedules/<slug:slug>/layers/<int:position>/remove", layers.remove, name="layer_remove"),
    path("chains", chains.chains, name="chains"),
    path("chains/new", chains.create, name="chain_create"),
    path("chains/<slug:slug>", chains.chain, name="chain"),
    path("chains/<slug:slug>/change", chains.change, name="chain_change"),
    path("chains/<slug:slug>/fallback", chains.make_fallback, name="chain_fallback"),
    path("chains/<slug:slug>/archive", chains.archive, name="chain_archive"),
]
