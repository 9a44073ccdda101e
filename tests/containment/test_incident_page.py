"""Containment first, on the screen: the lever to pull, what it will do, and whether it worked."""

import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from andon.containment import actions
from andon.containment.evidence import store
from andon.containment.evidence.models import Item
from andon.containment.models import Lever, Pull
from andon.incidents import actions as incidents
from andon.people.policy import Actor
from andon.practice.containment import ApprovalRule, PullState
from andon.practice.severity import Severity
from andon.practice.words import ContainmentKind
from andon.switch.models import Replica
from tests.containment.conftest import facts

pytestmark = pytest.mark.django_db


def at(name, incident, *more):
    return reverse(name, args=[incident.number, *more])


def act(name, pull):
    return reverse(f"pull_{name}", args=[pull.number])


def shown(browser, incident):
    return " ".join(browser.get(at("incident", incident)).content.decode().split())


def next_of(page):
    """The part of the page that says what to do next."""
    return page.split('id="next"', 1)[1].split('id="track"', 1)[0]


def text_of(part):
    return " ".join(re.sub(r"<[^>]+>", " ", part).split())


def go(pull):
    return actions.run_pull(Pull.objects.get(pk=pull.pk))


def test_the_lever_stands_first_with_what_it_will_do(cast, lever, incident, signed_in):
    page = next_of(shown(signed_in(cast.lena), incident))
    said = text_of(page)
    assert said.index("Roll back to v6") < said.index("Acknowledge only")
    assert "It has never been rehearsed." in said
    assert "Evidence is kept first" in said
    assert "It can be undone." in said
    assert at("incident_pull", incident, lever.number) in page
    assert "Nothing to contain" in said


def test_one_press_contains_and_the_page_says_that_it_was_seen(cast, service, lever, incident, signed_in):
    lena = signed_in(cast.lena)
    answer = lena.post(at("incident_pull", incident, lever.number))
    assert answer.url == at("incident", incident)
    under_way = text_of(next_of(shown(lena, incident)))
    assert "Keeping evidence" in under_way
    assert "Evidence kept" in under_way
    assert "Nothing is left to do here" not in under_way
    go(Pull.objects.get())
    done = shown(lena, incident)
    part = next_of(done)
    assert 'class="pull verified"' in part
    assert "Verified" in text_of(part)
    assert "Undo it" in part
    assert "; verified" in text_of(done.split('id="answers"', 1)[1])
    assert "Opens once the incident is contained" not in done


def test_before_containment_diagnosis_stays_folded_even_while_the_lever_is_pulled(cast, lever, incident, signed_in):
    lena = signed_in(cast.lena)
    lena.post(at("incident_pull", incident, lever.number))
    assert "Opens once the incident is contained" in shown(lena, incident)


def test_unverified_is_loud_and_offers_the_next_lever_and_undo(cast, time, service, lever, incident, signed_in):
    other = actions.create_lever(
        cast.credit_scorer, "webhook", facts(service, name="Switch it off", kind=ContainmentKind.DISABLE),
        by=Actor.of(cast.omar),
    )  # fmt: skip
    service.takes = False
    lena = signed_in(cast.lena)
    lena.post(at("incident_pull", incident, lever.number))
    pull = go(Pull.objects.get())
    time.forward(timedelta(seconds=lever.verify_seconds))
    assert go(pull).phase is PullState.UNVERIFIED
    page = shown(lena, incident)
    part = next_of(page)
    assert 'class="pull loud"' in part
    assert 'role="alert"' in part
    said = text_of(part)
    assert "UNVERIFIED" in said
    assert "Count it as not contained" in said
    assert "Undo it" in said
    assert said.index("Switch it off") > said.index("UNVERIFIED")
    assert at("incident_pull", incident, other.number) in part
    assert "Not yet" in text_of(page.split('id="answers"', 1)[1][:4000])


def test_what_was_not_done_says_so_and_can_be_pulled_again(cast, service, lever, incident, signed_in):
    service.takes, service.status = False, 403
    lena = signed_in(cast.lena)
    lena.post(at("incident_pull", incident, lever.number))
    go(Pull.objects.get())
    said = text_of(next_of(shown(lena, incident)))
    assert "NOT DONE" in said
    assert "Nothing was changed" in said
    assert "Pull again: Roll back to v6" in said


def test_undo_is_one_press_and_the_page_stops_calling_it_contained_by_that_lever(
    cast, service, lever, incident, signed_in
):
    lena = signed_in(cast.lena)
    lena.post(at("incident_pull", incident, lever.number))
    pull = go(Pull.objects.get())
    lena.post(act("undo", pull))
    undo = Pull.objects.exclude(pk=pull.pk).get()
    assert undo.undoes == pull
    go(undo)
    page = shown(lena, incident)
    assert "Undone, verified" in text_of(next_of(page))
    assert "; verified" not in text_of(page.split('id="answers"', 1)[1].split("</dl>")[0])
    assert service.state == {"model": "v7"}


def test_where_somebody_must_agree_the_page_says_who_and_how(cast, service, lever, incident, signed_in):
    Lever.objects.filter(pk=lever.pk).update(approval=ApprovalRule.SECOND)
    incident.severity = Severity.S3
    incident.save(update_fields=["severity"])
    lena, tomas = signed_in(cast.lena), signed_in(cast.tomas)
    assert "Needs one more person to agree." in text_of(next_of(shown(lena, incident)))
    lena.post(at("incident_pull", incident, lever.number))
    mine = next_of(shown(lena, incident))
    assert "Waits for a word" in text_of(mine)
    assert "Agree<" not in mine
    theirs = next_of(shown(tomas, incident))
    pull = Pull.objects.get()
    assert act("approve", pull) in theirs
    tomas.post(act("approve", pull))
    assert go(pull).phase is PullState.VERIFIED


def test_it_can_be_refused_or_withdrawn_with_a_reason(cast, service, lever, incident, signed_in):
    Lever.objects.filter(pk=lever.pk).update(approval=ApprovalRule.SECOND)
    incident.severity = Severity.S3
    incident.save(update_fields=["severity"])
    lena, tomas = signed_in(cast.lena), signed_in(cast.tomas)
    lena.post(at("incident_pull", incident, lever.number))
    first = Pull.objects.get()
    assert "Say why" in tomas.post(act("decline", first), follow=True).content.decode()
    tomas.post(act("decline", first), {"reason": "v6 has the same fault"})
    lena.post(at("incident_pull", incident, lever.number))
    second = Pull.objects.latest("number")
    lena.post(act("withdraw", second), {"reason": "Switched off by hand"})
    assert {one.phase for one in Pull.objects.all()} == {PullState.WITHDRAWN}
    assert "Roll back to v6" in text_of(next_of(shown(lena, incident)))


def test_two_at_once_the_second_is_told_who_was_first(cast, lever, incident, signed_in):
    signed_in(cast.lena).post(at("incident_pull", incident, lever.number))
    said = signed_in(cast.tomas).post(at("incident_pull", incident, lever.number), follow=True).content.decode()
    assert "Lena pulled" in said
    assert Pull.objects.count() == 1


def test_without_a_lever_the_page_says_so_and_how_to_prepare_one(cast, incident, signed_in):
    lena = signed_in(cast.lena)
    lena.post(at("incident_acknowledge", incident))
    part = next_of(shown(lena, incident))
    said = text_of(part)
    assert "No lever is prepared for Credit scorer" in said
    assert "Prepare a lever" not in said, "a responder cannot prepare one"
    assert reverse("lever_choose", args=["credit-scorer"]) in next_of(shown(signed_in(cast.omar), incident))
    assert "Nothing to contain" in said
    lena.post(at("incident_waive", incident), {"reason": "A false alarm"})
    assert "Prepare a lever" not in next_of(shown(lena, incident))


def test_another_lever_than_the_first_has_a_page_of_its_own(cast, service, lever, incident, signed_in):
    second = actions.create_lever(
        cast.credit_scorer, "webhook",
        facts(service, name="Send to people", kind=ContainmentKind.CONSTRAIN, effect="Every decision waits for a person."),
        by=Actor.of(cast.omar),
    )  # fmt: skip
    lena = signed_in(cast.lena)
    assert at("incident_lever", incident, second.number) in next_of(shown(lena, incident))
    said = lena.get(at("incident_lever", incident, second.number)).content.decode()
    assert "Every decision waits for a person." in said
    assert at("incident_pull", incident, second.number) in said
    actions.end_lever(second, by=Actor.of(cast.omar))
    assert lena.get(at("incident_lever", incident, second.number)).status_code == 404


def test_replicas_are_counted_by_what_they_acknowledge(cast, time, guarded, incident, signed_in):
    lena = signed_in(cast.lena)
    lena.post(at("incident_pull", incident, guarded.lever.number))
    pull = go(Pull.objects.get())
    kept = Item.objects.get(preservation__key=f"pull:{pull.pk}", name="lever-1-state.json")
    assert json.loads(store.get(kept.digest).body)["mode"] == "on"
    guarded.apply("one", "two", "three")
    time.forward(timedelta(seconds=2))
    part = next_of(shown(lena, incident))
    assert "3 of 4 replicas contained, 1 not yet" in text_of(part)
    assert text_of(part).count("replicas contained") == 1, "an earlier look would say something else beside it"
    assert 'class="pull verified"' not in part
    guarded.apply("four")
    time.forward(timedelta(seconds=2))
    assert go(pull).phase is PullState.VERIFIED
    said = next_of(shown(lena, incident))
    assert "4 of 4 replicas contained" in text_of(said)
    assert 'class="replicas everywhere"' in said


@pytest.fixture
def guarded(cast, time):
    """A guarded system with four replicas, and a lever that sets it to its safe mode."""
    from andon.switch.actions import make_token
    from andon.switch.queries import switch_of

    token = make_token(cast.credit_scorer, name="replicas", by=Actor.of(cast.omar))
    lever = actions.create_lever(
        cast.credit_scorer, "switch",
        actions.LeverFacts(
            name="Score by rules", kind=ContainmentKind.CONSTRAIN, settings={"system": "credit-scorer", "mode": "safe"}
        ),
        by=Actor.of(cast.omar),
    )  # fmt: skip

    class Guarded:
        def __init__(self):
            self.lever = lever
            switch = switch_of(cast.credit_scorer)
            for name in ("one", "two", "three", "four"):
                Replica.objects.create(
                    system=cast.credit_scorer, token=token.row, instance=name, host="host", revision=switch.number,
                    mark=switch.mark, mode=switch.mode, state="live", applied_at=time.now(), heard_at=time.now(),
                )  # fmt: skip

        def apply(self, *names):
            """These acknowledge what the switch says now."""
            switch = switch_of(cast.credit_scorer)
            Replica.objects.filter(instance__in=names).update(
                revision=switch.number, mark=switch.mark, mode=switch.mode, heard_at=time.now()
            )

    return Guarded()


WHO = {"nadia": 302, "omar": 302, "lena": 302, "sam": 302, "vera": 403, "rui": 302, None: 302}


@pytest.mark.parametrize(("who", "status"), WHO.items())
def test_who_may_pull(cast, lever, incident, signed_in, who, status):
    """Rui declared it, so he may see it, and still may not act; Vera may look."""
    browser = signed_in(getattr(cast, who)) if who else Client()
    may = who in {"nadia", "omar", "lena", "sam"}
    answer = browser.post(at("incident_pull", incident, lever.number))
    assert answer.status_code == (status if who != "rui" else 403)
    assert Pull.objects.exists() is may


@pytest.mark.parametrize("who", ["lena", "sam", "vera", "rui"])
def test_a_restricted_incidents_lever_is_out_of_reach(cast, lever, incident, signed_in, who):
    incidents.restrict(incident, restricted=True, by=Actor.of(cast.nadia))
    browser = signed_in(getattr(cast, who))
    assert browser.post(at("incident_pull", incident, lever.number)).status_code == 404
    assert browser.get(at("incident_lever", incident, lever.number)).status_code == 404
    assert not Pull.objects.exists()


def test_a_viewer_sees_whether_it_worked_and_no_button(cast, lever, incident, signed_in):
    go(actions.pull(lever, incident, by=Actor.of(cast.lena)))
    part = next_of(shown(signed_in(cast.vera), incident))
    assert "Verified" in text_of(part)
    assert "Undo it" not in part
    assert "<form" not in part


def answers_of(page):
    """What the page says of containment."""
    return text_of(page.split('id="answers"', 1)[1].split("</dl>")[0])


def test_a_repeated_pull_that_does_nothing_says_what_holds_all_the_same(cast, service, lever, incident, signed_in):
    lena = signed_in(cast.lena)
    lena.post(at("incident_pull", incident, lever.number))
    first = go(Pull.objects.get())
    again = actions.pull(lever, incident, by=Actor.of(cast.lena))
    service.status = 403
    assert go(again).phase is PullState.FAILED
    page = shown(lena, incident)
    said = text_of(next_of(page))
    assert "NOT DONE" in said
    assert f"{first.ref}, “Roll back to v6”, was seen to hold and stands." in said
    assert "Yes" in answers_of(page)
    assert "; verified" in answers_of(page)


def test_a_repeated_pull_that_is_not_seen_takes_the_green_from_what_was_seen_before(
    cast, service, lever, incident, signed_in, time
):
    lena = signed_in(cast.lena)
    lena.post(at("incident_pull", incident, lever.number))
    first = go(Pull.objects.get())
    again = actions.pull(lever, incident, by=Actor.of(cast.lena))
    service.takes, service.state = False, {"model": "v7"}
    go(again)
    time.forward(timedelta(hours=1))
    assert go(again).phase is PullState.UNVERIFIED
    page = shown(lena, incident)
    said = text_of(next_of(page))
    assert f"{first.ref} was seen to hold before it, and is not now: count it as not contained." in said
    assert "was seen to hold and stands" not in said
    assert "; verified" not in answers_of(page)
    assert "; not seen to hold since" in answers_of(page)


def test_a_pull_that_is_not_done_with_nothing_before_it_says_that_nothing_holds(
    cast, service, lever, incident, signed_in
):
    service.status = 403
    lena = signed_in(cast.lena)
    lena.post(at("incident_pull", incident, lever.number))
    go(Pull.objects.get())
    page = shown(lena, incident)
    assert "stands." not in text_of(next_of(page))
    assert "Not yet" in answers_of(page)


def test_agreeing_has_its_place_under_the_thumb_whatever_else_is_next(cast, service, lever, incident, signed_in):
    Lever.objects.filter(pk=lever.pk).update(approval=ApprovalRule.SECOND)
    incident.severity = Severity.S3
    incident.save(update_fields=["severity"])
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    thumb = next_of(shown(signed_in(cast.tomas), incident)).split('<div class="thumb">', 1)[1]
    assert act("approve", pull) in thumb
    assert "It begins at once." in thumb
    assert '<div class="thumb">' not in thumb
    assert '<div class="thumb">' not in next_of(shown(signed_in(cast.lena), incident))
    incident.severity = Severity.S1
    incident.save(update_fields=["severity"])
    hers = next_of(shown(signed_in(cast.lena), incident))
    assert act("approve", pull) in hers, "at S1 whoever asked may act alone"
    assert act("decline", pull) not in hers
