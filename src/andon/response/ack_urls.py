"""The address of the link in a message; `urls.py` takes it in."""

from django.urls import URLPattern, URLResolver, path

from andon.response import ack_pages

urlpatterns: list[URLPattern | URLResolver] = [path("a/<str:token>", ack_pages.ack_link, name="ack_link")]
