"""A lever step of a run: the levers that fit stand in it, and the one that is seen to hold settles it."""

from datetime import timedelta

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from andon.containment import actions as containment
from andon.containment.models import Pull
from andon.kit.errors import Invalid
from andon.people.policy import Actor
from andon.practice.containment import PullState
from andon.practice.runbook import Step, calls_for
from andon.practice.words import ContainmentKind, RunbookPhase, StepKind, StepState
from andon.runbooks import actions
from andon.runbooks.models import RunStep
from tests.containment.conftest import facts
from tests.support import scenes

STEP = "roll-back"


@pytest.fixture
def at_lever(run, cast):
    """The run of the fairness runbook, come to its lever that rolls back."""
    lena = Actor.of(cast.lena)
    actions.settle(run, key="read-gap", state=StepState.DONE, by=lena)
    actions.settle(run, key="choose-lever", state=StepState.DONE, outcome="recent-change", by=lena)
    return run


def page(browser, run):
    return browser.get(reverse("run", args=[run.number])).content.decode()


def now_of(text):
    return text.split('id="now"', 1)[1].split('id="steps-title"', 1)[0]


def pull_url(run, lever, step=STEP):
    return reverse("run_pull", args=[run.number, step, lever.number])


def step_of(run, key=STEP):
    return RunStep.objects.filter(run=run, key=key).order_by("-turn").first()


@pytest.mark.django_db
def test_the_fitting_lever_stands_in_the_step_and_the_verified_pull_settles_it(at_lever, lever, cast, signed_in):
    lena, run = signed_in(cast.lena), at_lever
    shown = now_of(page(lena, run))
    assert f'action="{pull_url(run, lever)}"' in shown
    assert "Evidence is kept first" in shown
    assert '<input type="hidden" name="known" value="0">' in shown
    assert lena.post(pull_url(run, lever)).headers["Location"] == reverse("run", args=[run.number]) + "#now"
    pull = Pull.objects.get()
    shown = now_of(page(lena, run))
    assert reverse("pull", args=[pull.number]) in shown
    assert "Keeping evidence" in shown
    assert pull_url(run, lever) not in shown
    assert step_of(run).state == StepState.TODO
    containment.run_pull(pull)
    done = step_of(run)
    assert (done.state, done.by) == (StepState.DONE, cast.lena)
    assert pull.ref in done.note
    assert run.incident.timeline.filter(kind="run_step_done", body__step=STEP).count() == 1
    shown = page(lena, run)
    assert reverse("pull", args=[pull.number]) in shown.split(f'id="step-{STEP}"', 1)[1].split("</li>", 1)[0]
    containment.run_pull(Pull.objects.get(pk=containment.undo(pull, by=Actor.of(cast.lena)).pk))
    assert step_of(run).state == StepState.DONE  # an undo settles nothing, and opens nothing again


@pytest.mark.django_db
def test_what_was_not_seen_to_hold_settles_nothing_and_can_be_pulled_again(
    at_lever,
    lever,
    service,
    cast,
    time,
    signed_in,
):
    lena, run = signed_in(cast.lena), at_lever
    service.takes = False
    lena.post(pull_url(run, lever))
    pull = containment.run_pull(Pull.objects.get())
    time.forward(timedelta(seconds=lever.verify_seconds))
    assert containment.run_pull(pull).phase is PullState.UNVERIFIED
    assert step_of(run).state == StepState.TODO
    shown = now_of(page(lena, run))
    assert "UNVERIFIED" in shown
    assert pull_url(run, lever) in shown


@pytest.mark.django_db
def test_with_a_lever_at_hand_done_by_hand_needs_words(at_lever, lever, cast):
    lena = Actor.of(cast.lena)
    with pytest.raises(Invalid, match="Done by hand, say how and why"):
        actions.settle(at_lever, key=STEP, state=StepState.DONE, by=lena)
    actions.settle(at_lever, key=STEP, state=StepState.DONE, note="Ravi moved the alias himself.", by=lena)
    assert step_of(at_lever).state == StepState.DONE


@pytest.mark.django_db
def test_a_lever_of_another_kind_is_not_offered_and_cannot_be_pulled_there(at_lever, service, cast, signed_in):
    off = containment.create_lever(
        cast.credit_scorer, "webhook", facts(service, name="Off", kind=ContainmentKind.DISABLE), by=Actor.of(cast.omar)
    )
    lena = signed_in(cast.lena)
    assert pull_url(at_lever, off) not in now_of(page(lena, at_lever))
    lena.post(pull_url(at_lever, off))
    lena.post(pull_url(at_lever, off, "no-such-step"))
    assert not Pull.objects.exists()


@pytest.mark.django_db
def test_a_pull_from_elsewhere_settles_the_step_too(at_lever, lever, cast):
    containment.run_pull(containment.pull(lever, at_lever.incident, by=Actor.of(cast.tomas)))
    assert (step_of(at_lever).state, step_of(at_lever).by) == (StepState.DONE, cast.tomas)


@pytest.mark.parametrize(("who", "status"), [("omar", 302), ("lena", 302), ("vera", 403)])
@pytest.mark.django_db
def test_who_may_pull_from_a_run(at_lever, lever, cast, signed_in, who, status):
    assert signed_in(getattr(cast, who)).post(pull_url(at_lever, lever)).status_code == status
    assert Pull.objects.exists() == (status == 302)


@pytest.mark.django_db
def test_a_restricted_incidents_run_pulls_for_nobody_else(lever, cast, signed_in, client):
    hidden = scenes.acknowledged(cast, restricted=True)
    run = actions.begin(hidden, key="fairness-violation", by=Actor.of(cast.lena))
    assert signed_in(cast.tomas).post(pull_url(run, lever)).status_code == 404
    assert client.post(pull_url(run, lever)).status_code in {302, 401}
    assert not Pull.objects.exists()


@given(
    st.sampled_from(StepKind), st.sampled_from(["", "Roll back"]), st.sampled_from([None, *ContainmentKind]),
    st.sampled_from(ContainmentKind), st.sampled_from(["roll back", "Off"]),
)  # fmt: skip
def test_a_step_calls_for_a_lever_by_its_name_or_else_by_its_kind(kind, name, does, of_kind, of_name):
    step = Step(key="a", phase=RunbookPhase.CONTAIN, kind=kind, title="A", lever=name, does=does)
    called = calls_for(step, of_kind, of_name)
    if kind is not StepKind.LEVER:
        assert not called
    elif name:
        assert called == (of_name == "roll back")
    else:
        assert called == (does is of_kind)
