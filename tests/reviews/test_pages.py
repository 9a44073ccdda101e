import re
from datetime import date, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.practice.words import IncidentType
from andon.reviews import actions, queries
from andon.reviews.models import Action, Review
from tests.support import scenes

pytestmark = pytest.mark.django_db


@pytest.fixture
def review(cast, time) -> Review:
    return Review.objects.get(incident=scenes.resolved(cast))


@pytest.fixture
def action(review, cast) -> Action:
    return actions.add_action(
        review, title="Alert earlier", owner=cast.tomas, due_on=date(2026, 3, 20), by=Actor.of(cast.lena)
    )


def url(name: str, *args: object) -> str:
    return reverse(name, args=args)


def test_the_review_says_what_each_section_answers_and_what_is_empty(review, action, cast, signed_in):
    content = signed_in(cast.lena).get(url("review", review.incident.number)).content.decode()
    for section in queries.sections(review):
        assert section.latest.title in content
    assert "Hand in for review" in content
    assert "sections are empty" in content
    assert "Alert earlier" in content
    assert "<table>" in content  # the five times, from Markdown


def test_markdown_of_people_is_shown_and_not_run(review, cast, signed_in):
    actions.edit_section(
        review, key="summary", body="**bold** <script>alert(1)</script>", seen_version=1, by=Actor.of(cast.lena)
    )
    content = signed_in(cast.vera).get(url("review", review.incident.number)).content.decode()
    assert "<strong>bold</strong>" in content
    assert "<script>alert" not in content


def test_a_section_is_written_in_place_and_on_a_page_of_its_own(review, cast, signed_in):
    client = signed_in(cast.lena)
    page = client.get(url("review", review.incident.number)).content.decode()
    edit = url("review_section", review.incident.number, "summary")
    assert f'hx-get="{edit}"' in page
    assert f'href="{edit}"' in page  # without script, too
    form = client.get(edit).content.decode()
    assert 'id="section-summary"' in form
    saved = client.post(edit, {"body": "Rolled back.", "seen_version": "1"})
    assert saved.status_code == 302
    assert saved["Location"].endswith("#section-summary")
    assert "Rolled back." in client.get(url("review", review.incident.number)).content.decode()


def test_two_writers_see_both_texts_and_the_second_puts_them_together(review, cast, signed_in):
    edit = url("review_section", review.incident.number, "summary")
    signed_in(cast.lena).post(edit, {"body": "Lena was first.", "seen_version": "1"})
    client = signed_in(cast.tomas)
    conflict = client.post(edit, {"body": "Tomas was second.", "seen_version": "1"})
    content = conflict.content.decode()
    assert conflict.status_code == 409
    assert "Lena was first." in content
    assert "Tomas was second." in content
    assert 'name="seen_version" value="2"' in content
    assert queries.versions(review, "summary")[0].body == "Lena was first."
    client.post(edit, {"body": "Lena was first, Tomas second.", "seen_version": "2"})
    assert queries.versions(review, "summary")[0].body == "Lena was first, Tomas second."


def test_a_text_begins_where_its_writer_began_it(review, cast, signed_in):
    # A browser drops the first line break inside a textarea; the template gives it one to drop.
    actions.edit_section(review, key="summary", body="\nindented", seen_version=1, by=Actor.of(cast.lena))
    content = signed_in(cast.lena).get(url("review_section", review.incident.number, "summary")).content.decode()
    assert 'name="body" rows="12">\n\nindented</textarea>' in content


def test_the_history_shows_every_version_and_what_changed(review, cast, signed_in):
    first = queries.versions(review, "summary")[0].body
    actions.edit_section(review, key="summary", body=f"{first}\nMore.", seen_version=1, by=Actor.of(cast.lena))
    response = signed_in(cast.vera).get(url("review_section_history", review.incident.number, "summary"))
    shown = response.context["versions"]
    assert [version["row"].version for version in shown] == [2, 1]
    assert [line.text for line in shown[0]["lines"] if line.kind == "added"] == ["More."]
    missing = signed_in(cast.vera).get(url("review_section_history", review.incident.number, "nothing"))
    assert missing.status_code == 404


def test_hand_in_publish_and_take_back(review, cast, signed_in):
    move = url("review_move", review.incident.number)
    page = url("review", review.incident.number)
    signed_in(cast.lena).post(move, {"to": "in_review"})
    assert "Publish the review" not in signed_in(cast.lena).get(page).content.decode()
    sign = url("review_sign", review.incident.number)
    assert "Sign as incident lead" in signed_in(cast.lena).get(page).content.decode()
    assert "It waits to be signed off" in signed_in(cast.omar).get(page).content.decode()
    for someone, status in ((cast.omar, 403), (cast.vera, 403), (cast.rui, 404)):
        assert signed_in(someone).post(sign, {"role": "lead"}).status_code == status
    assert Client().post(sign, {"role": "lead"}).status_code == 302
    assert signed_in(cast.lena).post(sign, {"role": "cook"}).status_code == 422
    told = signed_in(cast.lena).post(sign, {"role": "lead", "seen": "an earlier text"}, follow=True)
    assert "It was rewritten since you read it" in told.content.decode()
    seen = re.search('name="seen" value="([0-9a-f]{64})"', told.content.decode())[1]
    assert "Signed." in signed_in(cast.lena).post(sign, {"role": "lead", "seen": seen}, follow=True).content.decode()
    scenes.sign(review, cast)
    assert "Publish the review" in signed_in(cast.omar).get(page).content.decode()
    told = signed_in(cast.lena).post(move, {"to": "published"}, follow=True)
    assert "You cannot publish reviews" in told.content.decode()
    signed_in(cast.omar).post(move, {"to": "published"})
    published = signed_in(cast.lena).get(page).content.decode()
    assert "Edit" not in published.split("<main")[1].split("</main")[0]
    assert signed_in(cast.omar).post(move, {"to": "nonsense"}).status_code == 422
    refused = signed_in(cast.lena).post(
        url("review_section", review.incident.number, "summary"), {"body": "x", "seen_version": "1"}
    )
    assert refused.status_code == 422
    assert "The review is published" in refused.content.decode()
    signed_in(cast.omar).post(move, {"to": "in_review"})
    review.refresh_from_db()
    assert review.state == "in_review"


def test_a_section_is_added_and_a_title_is_asked_for(review, cast, signed_in):
    add = url("review_section_add", review.incident.number)
    assert signed_in(cast.lena).post(add, {"title": "The vendor's part"}).status_code == 302
    assert "The vendor&#x27;s part" in signed_in(cast.lena).get(url("review", review.incident.number)).content.decode()
    asked = signed_in(cast.lena).post(add, {})
    assert asked.status_code == 422
    assert "Give the section a title" in asked.content.decode()


def test_a_milder_incident_offers_its_review(cast, time, signed_in):
    incident = scenes.contained(cast, type_=IncidentType.TECHNICAL_FAILURE)
    page, open_ = url("review", incident.number), url("review_open", incident.number)
    assert "when the incident resolves" in signed_in(cast.lena).get(page).content.decode()
    assert signed_in(cast.lena).post(open_).status_code == 409
    Incident.objects.filter(pk=incident.pk).update(severity=4)
    from andon.response import resolving

    resolving.resolve(Incident.objects.get(pk=incident.pk), summary="Over.", by=Actor.of(cast.lena))
    assert "Draft the review" in signed_in(cast.lena).get(page).content.decode()
    assert "Draft the review" not in signed_in(cast.vera).get(page).content.decode()
    assert signed_in(cast.vera).post(open_).status_code == 403
    assert signed_in(cast.lena).post(open_).status_code == 302
    assert "Hand in for review" in signed_in(cast.lena).get(page).content.decode()


def test_the_list_of_reviews(review, cast, signed_in, time):
    client = signed_in(cast.vera)
    assert review.incident.title in client.get("/reviews").content.decode()
    assert review.incident.title not in client.get("/reviews?state=published").content.decode()
    assert review.incident.title not in client.get("/reviews?state=overdue").content.decode()
    time.forward(timedelta(days=30))
    assert review.incident.title in client.get("/reviews?state=overdue").content.decode()
    assert "No review is in that state" in client.get("/reviews?state=nonsense").content.decode()


def test_an_action_from_adding_to_verified(review, cast, signed_in):
    add = url("review_action_add", review.incident.number)
    given = {"title": "Alert earlier", "owner": str(cast.tomas.pk), "due_on": "2026-03-20"}
    assert signed_in(cast.lena).get(add).status_code == 200
    assert signed_in(cast.lena).post(add, given | {"due_on": "2026-01-01"}).status_code == 422
    assert signed_in(cast.lena).post(add, given | {"owner": ""}).status_code == 422
    assert signed_in(cast.lena).post(add, given).status_code == 302
    found = Action.objects.get()
    page, move = url("action", found.number), url("action_move", found.number)
    assert "Mark as done" in signed_in(cast.tomas).get(page).content.decode()
    signed_in(cast.tomas).post(move, {"to": "done"})
    assert "Confirm that it worked" not in signed_in(cast.tomas).get(page).content.decode()
    own = signed_in(cast.tomas).post(move, {"to": "verified"})
    assert (own.status_code, "Somebody other than its owner" in own.content.decode()) == (422, True)
    signed_in(cast.lena).post(move, {"to": "verified"})
    found.refresh_from_db()
    assert found.state == "verified"
    asked = signed_in(cast.lena).post(move, {"to": "open", "reason": ""})
    assert (asked.status_code, "Say why" in asked.content.decode()) == (422, True)
    assert signed_in(cast.lena).post(move, {"to": "nonsense"}).status_code == 422


def test_an_action_is_changed_on_a_page(action, cast, signed_in):
    change = url("action_change", action.number)
    assert b'value="2026-03-20"' in signed_in(cast.lena).get(change).content
    given = {"title": "In an hour", "owner": str(cast.lena.pk), "due_on": "2026-03-21"}
    assert signed_in(cast.lena).post(change, given).status_code == 302
    action.refresh_from_db()
    assert (action.title, action.owner, action.due_on) == ("In an hour", cast.lena, date(2026, 3, 21))
    assert signed_in(cast.lena).post(change, given | {"due_on": "2026-01-01"}).status_code == 422


def test_the_list_of_actions_shows_the_open_ones_until_asked_otherwise(action, cast, signed_in, time):
    client = signed_in(cast.vera)

    def titles(query=""):
        return [row["row"].title for row in client.get(f"/actions{query}").context["rows"]]

    assert titles() == ["Alert earlier"]
    assert titles("?due=overdue") == []
    assert titles("?owner=me") == []
    time.forward(timedelta(days=30))
    assert titles("?due=overdue") == ["Alert earlier"]
    actions.move_action(action, to=Action.State.DONE, by=Actor.of(cast.tomas))
    assert titles() == []
    assert titles("?state=done") == titles("?state=any") == ["Alert earlier"]
    assert "Show open actions" in client.get("/actions?due=overdue").content.decode()


def _pages(review, action) -> list[str]:
    number = review.incident.number
    return [
        url("review", number),
        url("review_section", number, "summary"),
        url("review_section_history", number, "summary"),
        url("review_action_add", number),
        url("action", action.number),
        url("action_change", action.number),
    ]


def _posts(review, action) -> list[str]:
    number = review.incident.number
    return [
        url("review_open", number),
        url("review_move", number),
        url("review_section_add", number),
        url("review_section", number, "summary"),
        url("review_action_add", number),
        url("action_change", action.number),
        url("action_move", action.number),
    ]


@pytest.mark.parametrize(
    ("who", "reads", "writes"),
    [
        ("nadia", 200, True),
        ("omar", 200, True),
        ("lena", 200, True),
        ("sam", 200, True),
        ("vera", 200, False),
        ("rui", 404, False),
    ],
)
def test_who_reads_and_who_writes(review, action, cast, signed_in, who, reads, writes):
    client = signed_in(getattr(cast, who))
    for page in _pages(review, action):
        forms = {
            url("review_section", review.incident.number, "summary"),
            url("review_action_add", review.incident.number),
        }
        forms.add(url("action_change", action.number))
        expected = 403 if reads == 200 and not writes and page in forms else reads
        assert client.get(page).status_code == expected, page
    before = review.incident.timeline.count(), len(queries.versions(review, "summary"))
    for page in _posts(review, action):
        filled = {
            "to": "done",
            "title": "x",
            "body": "x",
            "seen_version": "1",
            "owner": str(cast.lena.pk),
            "due_on": "2026-03-20",
        }
        status = client.post(page, filled).status_code
        assert (status not in {403, 404, 422}) is writes or (writes and page.endswith("/move")), page
    changed = (review.incident.timeline.count(), len(queries.versions(review, "summary"))) != before
    assert changed is writes


@pytest.mark.parametrize(
    ("who", "sees"), [("nadia", True), ("omar", True), ("lena", True), ("sam", False), ("vera", False), ("rui", False)]
)
def test_a_restricted_incident_hides_its_review_and_actions(review, action, cast, signed_in, who, sees):
    Incident.objects.filter(pk=review.incident_id).update(restricted=True)
    client = signed_in(getattr(cast, who))
    for page in _pages(review, action):
        response = client.get(page)
        assert response.status_code == (200 if sees else 404), page
        assert sees or review.incident.title not in response.content.decode()
    if not sees:
        for page in _posts(review, action):
            assert client.post(page, {"to": "done"}).status_code == 404, page
    for page in ("/reviews", "/actions", "/actions?state=any"):
        assert (url("review", review.incident.number) in client.get(page).content.decode()) is sees, page


def test_nobody_unknown_sees_any_of_it(review, action):
    for page in ["/reviews", "/actions", *_pages(review, action)]:
        assert Client().get(page).status_code == 302
    for page in _posts(review, action):
        assert Client().post(page).status_code == 302
    assert Action.objects.get().state == "open"


def test_the_number_of_queries_does_not_grow(review, cast, signed_in, django_assert_max_num_queries):
    for number in range(12):
        actions.add_action(
            review, title=f"No {number}", owner=cast.tomas, due_on=date(2026, 3, 20), by=Actor.of(cast.lena)
        )
    client = signed_in(cast.lena)
    for page, most in [(url("review", review.incident.number), 40), ("/actions", 32), ("/reviews", 32)]:
        with django_assert_max_num_queries(most):
            client.get(page)
