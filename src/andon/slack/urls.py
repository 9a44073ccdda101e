"""The address that Slack calls."""

from django.urls import URLPattern, URLResolver, path

from andon.slack import pages

urlpatterns: list[URLPattern | URLResolver] = [path("slack/events", pages.events, name="slack_events")]
