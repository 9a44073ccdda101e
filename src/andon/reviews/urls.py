"""Addresses of reviews and actions. A review is named by the number of its incident."""

from django.urls import URLPattern, URLResolver, path

from andon.reviews import action_pages, pages

_ONE = "reviews/<int:number>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("reviews", pages.reviews, name="reviews"),
    path(_ONE, pages.review, name="review"),
    path(f"{_ONE}/open", pages.open_review, name="review_open"),
    path(f"{_ONE}/move", pages.move, name="review_move"),
    path(f"{_ONE}/sign", pages.sign, name="review_sign"),
    path(f"{_ONE}/sections", pages.add_section, name="review_section_add"),
    path(f"{_ONE}/sections/<slug:key>", pages.section, name="review_section"),
    path(f"{_ONE}/sections/<slug:key>/history", pages.history, name="review_section_history"),
    path(f"{_ONE}/actions", action_pages.add_action, name="review_action_add"),
    path("actions", action_pages.actions_list, name="actions"),
    path("actions/<int:number>", action_pages.action, name="action"),
    path("actions/<int:number>/change", action_pages.change_action, name="action_change"),
    path("actions/<int:number>/move", action_pages.move_action, name="action_move"),
]
