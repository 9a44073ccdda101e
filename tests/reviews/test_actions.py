from datetime import date, timedelta

import pytest

from andon.handbook import actions as handbook
from andon.handbook.queries import shipped_texts
from andon.incidents.actions import assign_role
from andon.incidents.models import Incident, RoleAssignment
from andon.incidents.timeline import verify
from andon.kit.errors import Conflict, Forbidden, Invalid, Missing
from andon.people.models import Organisation
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, IncidentRole, IncidentType
from andon.response import containing, resolving
from andon.reviews import actions, queries
from andon.reviews.models import Action, Review, SectionVersion, Signature
from andon.reviews.queries import ActionFilter
from tests.support import scenes

pytestmark = pytest.mark.django_db

OPEN, DONE, VERIFIED, DROPPED = Action.State
DRAFT, IN_REVIEW, PUBLISHED = Review.State


@pytest.fixture
def review(cast, time) -> Review:
    return Review.objects.get(incident=scenes.resolved(cast))


@pytest.fixture
def by(cast):
    return {name: Actor.of(getattr(cast, name)) for name in ("nadia", "omar", "lena", "tomas", "sam", "vera", "rui")}


def add(review, cast, **facts):
    given = {"title": "Alert earlier", "owner": cast.tomas, "due_on": date(2026, 3, 20), "by": Actor.of(cast.lena)}
    return actions.add_action(review, **(given | facts))


# --- sections


def test_a_review_has_the_sections_of_the_handbook_that_its_incident_opened_with(cast, time):
    before = scenes.declared(cast)
    texts = shipped_texts()
    texts["review.yaml"] = texts["review.yaml"].replace("title: What happened\n", "title: In short\n")
    texts["review.yaml"] += "  - { key: money, title: What it cost, prompt: In euros., fill: none, from: S1 }\n"
    handbook.apply(texts, by=Actor.of(cast.nadia))
    by = Actor.of(cast.lena)
    for incident, title, more in ((before, "What happened", False), (scenes.declared(cast), "In short", True)):
        containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="back to v6", by=by)
        resolving.resolve(incident, summary="Two batches in the band.", by=by)
        review = Review.objects.get(incident=incident)
        assert review.section_versions.get(key="summary").title == title
        assert ("money" in {section.key for section in queries.sections_left_out(review)}) is more


def test_a_section_has_versions_and_the_newest_is_what_it_says(review, by):
    actions.edit_section(review, key="summary", body="One", seen_version=1, by=by["lena"])
    actions.edit_section(review, key="summary", body="Two\r\n\r\nlines  ", seen_version=2, by=by["tomas"])
    newest, middle, first = queries.versions(review, "summary")
    assert [row.version for row in (newest, middle, first)] == [3, 2, 1]
    assert (newest.body, newest.by.name) == ("Two\n\nlines", "Tomas")
    assert first.by is None  # drafted by Andon
    assert {s.latest.key: s.versions for s in queries.sections(review)}["summary"] == 3


def test_whoever_saves_second_overwrites_nothing(review, by):
    actions.edit_section(review, key="summary", body="Lena's", seen_version=1, by=by["lena"])
    with pytest.raises(Conflict) as refused:
        actions.edit_section(review, key="summary", body="Tomas's", seen_version=1, by=by["tomas"])
    assert refused.value.code == "version-conflict"
    assert queries.versions(review, "summary")[0].body == "Lena's"


def test_the_database_itself_refuses_a_version_twice(review, by):
    from django.db import IntegrityError, transaction

    row = queries.versions(review, "summary")[0]
    with pytest.raises(IntegrityError), transaction.atomic():
        SectionVersion.objects.create(review=review, key="summary", title="x", position=1, version=row.version)


def test_saving_what_stands_there_makes_no_version(review, by):
    body = queries.versions(review, "summary")[0].body
    actions.edit_section(review, key="summary", body=f"{body}\n", seen_version=1, by=by["lena"])
    assert len(queries.versions(review, "summary")) == 1


def test_a_section_is_bounded_and_known(review, by):
    with pytest.raises(Invalid):
        actions.edit_section(
            review, key="summary", body="x" * (actions.SECTION_LIMIT + 1), seen_version=1, by=by["lena"]
        )
    with pytest.raises(Missing):
        actions.edit_section(review, key="nothing", body="x", seen_version=1, by=by["lena"])


def test_a_section_is_added_from_the_handbook_or_with_a_title_of_its_own(review, by):
    own = actions.add_section(review, title="What the vendor said", by=by["lena"])
    assert queries.sections(review)[-1].latest == own
    actions.edit_section(review, key=own.key, body="They knew.", seen_version=1, by=by["lena"])
    second = actions.add_section(review, title="What the vendor said", by=by["lena"])
    assert second.key != own.key
    with pytest.raises(Invalid) as refused:
        actions.add_section(review, key="summary", by=by["lena"])
    assert refused.value.field == "key"
    with pytest.raises(Invalid):
        actions.add_section(review, title=" ", by=by["lena"])
    offered = queries.sections_left_out(review)
    if offered:
        assert actions.add_section(review, key=offered[0].key, by=by["lena"]).prompt == offered[0].prompt


# --- the review's state


def test_a_review_is_handed_in_published_and_taken_back_and_the_timeline_tells(review, by, cast):
    actions.move(review, to=IN_REVIEW, by=by["lena"])
    with pytest.raises(Forbidden):
        actions.move(review, to=PUBLISHED, by=by["lena"])
    scenes.sign(review, cast)
    published = actions.move(review, to=PUBLISHED, by=by["omar"])
    assert (published.published_by.name, published.published_at is None) == ("Omar", False)
    with pytest.raises(Conflict):
        actions.edit_section(published, key="summary", body="x", seen_version=1, by=by["omar"])
    with pytest.raises(Conflict):
        actions.add_section(published, title="x", by=by["omar"])
    with pytest.raises(Forbidden):
        actions.move(published, to=IN_REVIEW, by=by["lena"])
    again = actions.move(published, to=IN_REVIEW, by=by["omar"])
    assert again.published_at is None
    kinds = list(review.incident.timeline.values_list("kind", flat=True))
    assert kinds[-3:] == ["review_signed", "review_published", "review_moved"]
    assert verify(Incident.objects.get(pk=review.incident_id)) == []


def read(review):
    """What somebody has before them who reads the review now."""
    return queries.text_of(queries.sections(review))


def test_a_review_is_published_once_each_role_of_the_protocol_has_signed_the_text_as_it_stands(review, by, cast):
    with pytest.raises(Conflict, match="signed while it is in review"):
        actions.sign(review, role=IncidentRole.LEAD, seen=read(review), by=by["lena"])
    actions.move(review, to=IN_REVIEW, by=by["lena"])
    signs = queries.sign_offs(review)
    assert [one.role for one in signs] == ["lead", "harm"]
    with pytest.raises(Conflict, match=r"Lena signs it as incident lead\. Nobody holds the role harm and fairness"):
        actions.move(review, to=PUBLISHED, by=by["omar"])
    with pytest.raises(Forbidden, match="You do not hold the role"):
        actions.sign(review, role=IncidentRole.LEAD, seen=read(review), by=by["omar"])
    with pytest.raises(Invalid, match="does not ask for"):
        actions.sign(review, role=IncidentRole.SCRIBE, seen=read(review), by=by["lena"])
    assign_role(review.incident, role="harm", person=cast.tomas, by=by["lena"])
    actions.sign(review, role=IncidentRole.LEAD, seen=read(review), by=by["lena"])
    again = actions.sign(review, role=IncidentRole.LEAD, seen=read(review), by=by["lena"])  # twice is once
    assert Signature.objects.get() == again
    before = read(review)
    actions.edit_section(review, key="summary", body="Otherwise.", seen_version=1, by=by["tomas"])
    with pytest.raises(Conflict, match="rewritten since you read it"):
        actions.sign(review, role=IncidentRole.HARM, seen=before, by=Actor.of(cast.tomas))
    actions.sign(review, role=IncidentRole.HARM, seen=read(review), by=Actor.of(cast.tomas))
    with pytest.raises(Conflict, match="Lena signs it as incident lead again: it was rewritten since"):
        actions.move(review, to=PUBLISHED, by=by["omar"])
    actions.sign(review, role=IncidentRole.LEAD, seen=read(review), by=by["lena"])
    assert actions.move(review, to=PUBLISHED, by=by["omar"]).state == PUBLISHED


def test_a_draft_is_not_published_unread_and_a_stale_page_moves_nothing(review, by):
    with pytest.raises(Conflict):
        actions.move(review, to=PUBLISHED, by=by["omar"])
    stale = Review.objects.get(pk=review.pk)
    actions.move(review, to=IN_REVIEW, by=by["lena"])
    with pytest.raises(Conflict):
        actions.move(stale, to=IN_REVIEW, by=by["lena"])


def test_somebody_who_looks_at_a_stale_page_does_not_write_into_what_was_published(review, by, cast):
    stale = Review.objects.get(pk=review.pk)
    scenes.publish(review.incident, cast)
    with pytest.raises(Conflict):
        actions.edit_section(stale, key="summary", body="x", seen_version=1, by=by["lena"])


def test_a_milder_incident_gets_its_review_by_hand_once_it_is_over(cast, time, by):
    incident = scenes.contained(cast, type_=IncidentType.TECHNICAL_FAILURE)
    Incident.objects.filter(pk=incident.pk).update(severity=4)
    with pytest.raises(Conflict):
        actions.open_review(incident, by=by["lena"])
    from andon.response import resolving

    resolving.resolve(Incident.objects.get(pk=incident.pk), summary="Over.", by=by["lena"])
    assert not Review.objects.filter(incident=incident).exists()
    with pytest.raises(Missing):
        actions.access_review(by["lena"], incident.number)
    drafted = actions.open_review(Incident.objects.get(pk=incident.pk), by=by["lena"])
    assert actions.open_review(Incident.objects.get(pk=incident.pk), by=by["lena"]) == drafted
    assert queries.sections(drafted)


# --- actions


def test_an_action_has_an_owner_a_day_and_a_number(review, cast):
    one, two = add(review, cast), add(review, cast, title="Second")
    assert two.number == one.number + 1
    assert review.incident.timeline.filter(kind="action_added").count() == 2


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"title": "  "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"due_on": date(2026, 3, 1)}, "due_on"),
    ],
)
def test_an_action_that_says_nothing_is_refused(review, cast, facts, field):
    with pytest.raises(Invalid) as refused:
        add(review, cast, **facts)
    assert refused.value.field == field


def test_an_owner_can_do_and_see_what_they_own(review, cast):
    cast.tomas.is_active = False
    cast.tomas.save()
    with pytest.raises(Invalid):
        add(review, cast)
    Incident.objects.filter(pk=review.incident_id).update(restricted=True)
    with pytest.raises(Invalid) as refused:
        add(review, cast, owner=cast.sam)
    assert refused.value.field == "owner"
    RoleAssignment.objects.create(incident=review.incident, role="scribe", person=cast.sam)
    add(review, cast, owner=cast.sam)


def test_done_is_the_owners_word_and_verified_is_somebody_elses(review, cast, by):
    action = add(review, cast)
    with pytest.raises(Conflict):
        actions.move_action(action, to=VERIFIED, by=by["lena"])
    done = actions.move_action(action, to=DONE, by=by["tomas"])
    with pytest.raises(Forbidden):
        actions.move_action(done, to=VERIFIED, by=by["tomas"])
    verified = actions.move_action(done, to=VERIFIED, by=by["lena"])
    assert (verified.state, verified.state_by.name) == (VERIFIED, "Lena")
    with pytest.raises(Invalid):
        actions.move_action(verified, to=OPEN, by=by["lena"])
    again = actions.move_action(verified, to=OPEN, reason="It came back.", by=by["lena"])
    dropped = actions.move_action(again, to=DROPPED, reason="The system is retired.", by=by["lena"])
    assert dropped.state_reason == "The system is retired."


def test_a_viewer_who_owns_an_action_may_say_that_it_is_done(review, cast, by):
    action = add(review, cast, owner=cast.vera)
    assert actions.move_action(action, to=DONE, by=by["vera"]).state == DONE
    other = add(review, cast)
    with pytest.raises(Forbidden):
        actions.move_action(other, to=DONE, by=by["vera"])


def test_a_stale_page_moves_no_action(review, cast, by):
    action = add(review, cast)
    stale = Action.objects.get(pk=action.pk)
    actions.move_action(action, to=DONE, by=by["lena"])
    with pytest.raises(Conflict):
        actions.move_action(stale, to=DONE, by=by["lena"])


def test_changing_an_action_leaves_a_trace(review, cast, by, time):
    action = add(review, cast)
    same = {"title": action.title, "owner": action.owner, "due_on": action.due_on}
    actions.change_action(action, **same, by=by["lena"])
    assert not review.incident.timeline.filter(kind="action_changed").exists()
    changed = actions.change_action(
        action, title="Alert in an hour", owner=cast.lena, due_on=date(2026, 4, 1), by=by["omar"]
    )
    assert (changed.owner, changed.due_on) == (cast.lena, date(2026, 4, 1))
    body = review.incident.timeline.get(kind="action_changed").body
    assert (body["due_before"], body["due_on"]) == ("2026-03-20", "2026-04-01")
    with pytest.raises(Invalid):
        actions.change_action(action, **(same | {"due_on": date(2026, 2, 1)}), by=by["lena"])
    actions.move_action(changed, to=DONE, by=by["lena"])
    with pytest.raises(Conflict):
        actions.change_action(changed, **(same | {"title": "x"}), by=by["lena"])


def test_an_overdue_action_can_be_said_differently_without_a_new_day(review, cast, by, time):
    action = add(review, cast)
    time.forward(timedelta(days=60))
    changed = actions.change_action(
        action, title="Better words", owner=action.owner, due_on=action.due_on, by=by["lena"]
    )
    assert changed.title == "Better words"


@pytest.mark.parametrize("who", ["vera", "rui"])
def test_who_does_not_respond_writes_nothing(review, cast, by, who):
    action = add(review, cast)
    tries = [
        lambda b: actions.edit_section(review, key="summary", body="x", seen_version=1, by=b),
        lambda b: actions.add_section(review, title="x", by=b),
        lambda b: actions.move(review, to=IN_REVIEW, by=b),
        lambda b: actions.open_review(review.incident, by=b),
        lambda b: add(review, cast, by=b),
        lambda b: actions.change_action(action, title="x", owner=cast.vera, due_on=action.due_on, by=b),
        lambda b: actions.move_action(action, to=DONE, by=b),
    ]
    before = SectionVersion.objects.count(), Action.objects.count(), review.incident.timeline.count()
    for attempt in tries:
        with pytest.raises(Forbidden):
            attempt(by[who])
    assert (SectionVersion.objects.count(), Action.objects.count(), review.incident.timeline.count()) == before


def test_whoever_has_a_role_in_the_incident_may_write_whatever_their_own_is(review, cast, by):
    RoleAssignment.objects.create(incident=review.incident, role="scribe", person=cast.vera)
    actions.edit_section(review, key="summary", body="x", seen_version=1, by=by["vera"])


# --- lists


def test_an_action_is_overdue_once_its_day_is_over_where_the_organisation_is(review, cast, by, time):
    Organisation.objects.update(time_zone="Asia/Tokyo")
    add(review, cast, due_on=date(2026, 3, 2))
    time.set(time.now().replace(hour=14, minute=59))  # 23:59 in Tokyo
    assert queries.overdue(by["lena"]).count() == 0
    time.forward(timedelta(minutes=1))
    assert queries.overdue(by["lena"]).count() == 1


def test_the_filters_of_actions(review, cast, by, time):
    soon = add(review, cast, title="Soon", due_on=date(2026, 3, 5), owner=cast.lena)
    late = add(review, cast, title="Late", due_on=date(2026, 4, 5))
    actions.move_action(late, to=DONE, by=by["tomas"])
    rows = queries.actions(by["lena"])
    cases = [
        (ActionFilter(), {soon, late}),
        (ActionFilter(state="open"), {soon}),
        (ActionFilter(state="nonsense"), set()),
        (ActionFilter(due="week"), {soon}),
        (ActionFilter(due="overdue"), set()),
        (ActionFilter(due="nonsense"), set()),
        (ActionFilter(owner="me"), {soon}),
        (ActionFilter(owner=str(cast.tomas.pk)), {late}),
        (ActionFilter(owner="nonsense"), set()),
        (ActionFilter(review=str(review.incident.number)), {soon, late}),
        (ActionFilter(review="x"), set()),
    ]
    for wanted, expected in cases:
        assert set(wanted.of(rows, by["lena"])) == expected, wanted
    time.forward(timedelta(days=10))
    assert set(ActionFilter(due="overdue").of(rows, by["lena"])) == {soon}


def test_reviews_and_actions_of_a_restricted_incident_are_listed_for_nobody_else(review, cast, by):
    add(review, cast)
    Incident.objects.filter(pk=review.incident_id).update(restricted=True)
    for who, sees in [("nadia", 1), ("omar", 1), ("lena", 1), ("sam", 0), ("vera", 0), ("rui", 0)]:
        assert queries.reviews(by[who]).count() == sees, who
        assert queries.actions(by[who]).count() == sees, who
        if not sees:
            with pytest.raises(Missing):
                actions.access_review(by[who], review.incident.number)
            with pytest.raises(Missing):
                actions.access_action(by[who], 1)
