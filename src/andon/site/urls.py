"""Every address of the web and the API. Intake and live streams are taken before Django: see `asgi.py`."""

from django.urls import include, path

from andon.api import short
from andon.api.urls import api

urlpatterns = [
    path("", include("andon.web.urls")),
    path("", include("andon.people.urls")),
    path("", include("andon.handbook.urls")),
    path("", include("andon.oncall.urls")),
    path("", include("andon.registry.urls")),
    path("", include("andon.incidents.urls")),
    path("", include("andon.intake.urls")),
    path("", include("andon.paging.urls")),
    path("", include("andon.reviews.urls")),
    path("", include("andon.rules.urls")),
    path("", include("andon.watch.urls")),
    path("", include("andon.switch.urls")),
    path("", include("andon.containment.urls")),
    path("", include("andon.containment.evidence.urls")),
    path("", include("andon.runbooks.urls")),
    path("", include("andon.response.urls")),
    path("", include("andon.slack.urls")),
    path("account/", include("allauth.urls")),
    path("api/v1/", api.urls),
    path("api/watches/<int:number>/points", short.points),
]

handler400 = "andon.web.pages.bad_request"
handler403 = "andon.web.pages.forbidden"
handler404 = "andon.web.pages.not_found"
handler500 = "andon.web.pages.server_error"
