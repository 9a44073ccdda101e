"""The addresses that the phone provider calls; `urls.py` takes them in."""

from django.urls import URLPattern, URLResolver, path, re_path

from andon.response import phone_pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("phone/sms", phone_pages.answer, name="phone_answer"),
    re_path(r"^phone/call/(?P<kind>page|test)/(?P<token>[^/]+)$", phone_pages.call, name="phone_call"),
    re_path(r"^phone/status/(?P<channel>sms|voice)/(?P<key>[0-9a-f]{1,64})$", phone_pages.status, name="phone_status"),
]
