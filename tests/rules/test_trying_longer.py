"""A draft that closes less, or later, than the rule that stands says what that one ended and would not have."""

from datetime import timedelta

import pytest
from django.urls import reverse

from andon.incidents.models import Incident
from andon.intake import actions as intake
from andon.people.policy import Actor
from andon.practice.lifecycle import State
from andon.response import resolving
from andon.rules import clockwork
from tests.rules.test_faces import send
from tests.rules.test_routing_by_rules import MINUTE, hear, labelled, route, signal
from tests.rules.test_trying import LEFT_OUT, not_opened, says
from tests.rules.test_trying import draft as draft  # noqa: PLC0414
from tests.rules.test_trying_incidents import HOUR
from tests.rules.test_trying_incidents import heard as heard  # noqa: PLC0414
from tests.rules.test_trying_incidents import resolves as resolves  # noqa: PLC0414

pytestmark = pytest.mark.django_db
STILL = "would not have counted as ended, and would fire still"
DEV = 'has(signal.labels.env) && signal.labels.env == "dev"'


@pytest.fixture
def later(time):
    """Let time go by, and the engine close what has gone quiet and resolve what was held open."""

    def wait(how_long):
        while how_long > timedelta(0):
            time.forward(min(how_long, 30 * MINUTE))
            how_long -= 30 * MINUTE
            clockwork.quiet_due(time.now(), 100)
            resolving.resolve_due(time.now(), 100)
            route(time)

    return wait


def longer(trial):
    return [incident.ref for incident in trial.open_longer]


def state(number):
    return Incident.objects.get(number=number).state


def test_a_rule_made_narrower_says_what_would_have_stayed_open(heard, resolves, rule, draft, later, time):
    standing = rule("auto_close", hours=1)
    heard(labelled("a", env="dev"), labelled("b", system="nobody", env="prod"))
    later(5 * HOUR)
    assert (state(1), state(2)) == (State.RESOLVED, State.RESOLVED)
    trial = draft("auto_close", DEV, hours=1, instead_of=standing)
    ref = signal("b").incident.ref
    assert says(trial) == {"b": f"{STILL}; {ref} would be open still"}
    assert (longer(trial), trial.not_opened, trial.opened, trial.about) == ([ref], [], 0, 1)
    off = draft("auto_close", "false", hours=1, instead_of=standing)
    assert says(off).keys() == {"a", "b"}
    assert longer(off) == ["INC-1", "INC-2"]
    assert draft("auto_close", hours=1, instead_of=standing).changed == 0, "as it stands"


def test_a_longer_time_says_how_much_later(heard, resolves, rule, draft, later, time):
    standing = rule("auto_close", hours=1)
    heard(labelled("a"))
    later(5 * HOUR)
    trial = draft("auto_close", hours=3, instead_of=standing)
    assert says(trial) == {"a": "would have counted as ended 2 h later; INC-1 would have been resolved 2 h later"}
    assert longer(trial) == ["INC-1"]
    assert says(draft("auto_close", hours=6, instead_of=standing)) == {"a": f"{STILL}; INC-1 would be open still"}


def test_what_was_heard_again_would_have_been_the_same_signal(heard, resolves, rule, draft, later, time):
    standing = rule("auto_close", hours=1)
    for _ in range(2):
        heard(labelled("a", title="Slow"))
        later(2 * HOUR)
    assert Incident.objects.count() == 2
    later(3 * HOUR)
    trial = draft("auto_close", hours=3, instead_of=standing)
    first, second = sorted(trial.lines, key=lambda line: line.signal.first_at)
    assert first.says == "would have counted as ended 4 h later; INC-1 would have been resolved 4 h later"
    assert second.says == (
        "would have counted as ended 2 h later; would have been no new signal, but “Slow” heard again; "
        "INC-2 would not have opened"
    )
    assert (longer(trial), not_opened(trial)) == (["INC-1"], ["INC-2"])
    apart = draft("auto_close", hours=2, instead_of=standing)
    assert (longer(apart), not_opened(apart)) == (["INC-1", "INC-2"], []), "it would have ended in between"


def test_what_came_meanwhile_would_have_joined(heard, resolves, rule, draft, later, time):
    standing = rule("auto_close", 'signal.title == "Slow"', hours=1)
    heard(labelled("a", title="Slow"))
    later(2 * HOUR)
    heard(labelled("b", title="Late"), labelled("c", severity=5), labelled("d", system="nobody"))
    time.forward(MINUTE)
    heard(labelled("b", title="Late", status="resolved"), labelled("c", status="resolved"))
    heard(labelled("d", system="nobody", status="resolved"))
    later(8 * HOUR)
    trial = draft("auto_close", 'signal.title == "Slow"', hours=3, instead_of=standing)
    late = signal("b").incident.ref
    assert says(trial) == {
        "a": "would have counted as ended 2 h later; INC-1 would have been resolved 2 h later",
        "b": f"would have joined INC-1; {late} would not have opened",
        "c": "would have joined INC-1",
    }
    assert (longer(trial), not_opened(trial)) == (["INC-1"], [late])


def test_what_joins_keeps_open_what_it_joins(heard, resolves, rule, draft, later, time):
    standing = rule("auto_close", 'signal.title == "Slow"', hours=1)
    heard(labelled("a", title="Slow"))
    later(2 * HOUR)
    heard(labelled("b"))
    later(4 * HOUR)
    trial = draft("auto_close", 'signal.title == "Slow"', hours=3, instead_of=standing)
    assert says(trial) == {
        "a": "would have counted as ended 2 h later; INC-1 would be open still",
        "b": "would have joined INC-1; INC-2 would not have opened",
    }


def test_an_incident_ends_with_the_last_of_its_signals(heard, resolves, rule, draft, later, time):
    standing = rule("auto_close", hours=1)
    heard(labelled("a", env="dev"))
    later(30 * MINUTE)
    heard(labelled("b", env="dev"), labelled("c", env="prod"))
    later(5 * HOUR)
    trial = draft("auto_close", 'signal.labels.env != "prod"', hours=3, instead_of=standing)
    assert says(trial) == {
        "a": "would have counted as ended 2 h later; INC-1 would be open still",
        "b": "would have counted as ended 2 h later; INC-1 would be open still",
        "c": f"{STILL}; INC-1 would be open still",
    }


def test_an_end_that_its_sender_said_afterwards_is_its_end(heard, resolves, rule, draft, later, time):
    standing = rule("auto_close", hours=1)
    heard(labelled("a"))
    later(3 * HOUR)
    heard(labelled("a", status="resolved"))
    later(HOUR)
    assert says(draft("auto_close", "false", hours=1, instead_of=standing)) == {
        "a": "would have counted as ended 2 h later, when its sender said so; INC-1 would have been resolved 2 h later"
    }


def test_where_people_resolve_the_incident_stays_theirs(cast, heard, rule, draft, later, time):
    standing = rule("auto_close", hours=1)
    heard(labelled("a"))
    later(3 * HOUR)
    trial = draft("auto_close", "false", hours=1, instead_of=standing)
    theirs = "Of these signals' incidents one incident would have been for people to resolve all the same."
    assert (says(trial), trial.notes, longer(trial)) == ({"a": STILL}, [theirs, LEFT_OUT], [])
    incident = Incident.objects.get()
    resolving.resolve(_contained(incident, time), summary="Seen to be over.", by=Actor.of(cast.lena))
    time.forward(MINUTE)
    trial = draft("auto_close", "false", hours=1, instead_of=standing)
    assert says(trial) == {"a": "would have fired on for 2 h, until people resolved its incident"}


def test_what_people_resolved_for_a_rule_would_not_have_stayed_open(cast, heard, resolves, rule, draft, later, time):
    """A rule would have resolved it, but for another signal that fired on; people were quicker."""
    standing = rule("auto_close", 'signal.title == "Slow"', hours=1)
    heard(labelled("a", title="Slow"), labelled("b"))
    later(3 * HOUR)
    resolving.resolve(_contained(Incident.objects.get(), time), summary="Over.", by=Actor.of(cast.lena))
    later(HOUR)
    trial = draft("auto_close", "false", hours=1, instead_of=standing)
    assert says(trial) == {"a": "would have fired on for 2 h, until people resolved its incident"}
    assert longer(trial) == []


def _contained(incident, time):
    Incident.objects.filter(pk=incident.pk).update(
        state=State.CONTAINED, contained_at=time.now(), containment_kind="other", containment_note="By hand"
    )
    incident.refresh_from_db()
    return incident


def test_what_waited_when_it_ended_is_not_answered_for(heard, resolves, rule, draft, later, time):
    standing = rule("auto_close", hours=1)
    rule("silence", ends_at=time.now() + 2 * HOUR)
    heard(labelled("a", title="Slow"))
    later(5 * HOUR)
    assert not Incident.objects.exists()
    trial = draft("auto_close", hours=3, instead_of=standing)
    assert says(trial) == {"a": "would have counted as ended 2 h later"}
    assert [(line.signal.fingerprint, "kept it waiting" in line.says) for line in trial.unanswered] == [("a", True)]


def test_an_incident_that_is_held_open_stays_so_much_longer(heard, resolves, rule, draft, later, time):
    standing = rule("auto_close", hours=1)
    rule("hold_open", minutes=60)
    heard(labelled("a"))
    later(5 * HOUR)
    trial = draft("auto_close", hours=2, instead_of=standing)
    assert says(trial) == {"a": "would have counted as ended 1 h later; INC-1 would have been resolved 1 h later"}


def test_a_longer_time_than_its_senders_kind_has(cast, draft, later, time):
    mail, _ = intake.create_integration(slug="mail", name="Mail", kind="email", by=Actor.of(cast.nadia))
    mail.resolves_incidents = True
    mail.save()
    hear(mail, labelled("a"))
    route(time)
    later(40 * HOUR)
    assert state(1) == State.RESOLVED
    trial = draft("auto_close", hours=36)
    assert says(trial) == {"a": "would have counted as ended 12 h later; INC-1 would have been resolved 12 h later"}
    assert "would be open still" in says(draft("auto_close", hours=48))["a"]


def test_what_has_gone_before_an_older_incident_is_its_own(heard, resolves, rule, draft, later, time):
    """Heard three times, of which each would have reached the next."""
    standing = rule("auto_close", hours=1)
    for _ in range(3):
        heard(labelled("a"))
        later(2 * HOUR)
    trial = draft("auto_close", "false", hours=1, instead_of=standing)
    assert (longer(trial), not_opened(trial)) == (["INC-1"], ["INC-2", "INC-3"])


def test_silences_before_the_rule_stood_cannot_be_told(heard, resolves, rule, draft, later, time):
    for _ in range(3):
        heard(labelled("a"))
        later(4 * HOUR)
    standing = rule("auto_close", hours=1)
    later(2 * HOUR)
    assert state(1) == State.RESOLVED
    assert any("cannot be told" in note for note in draft("auto_close", hours=6, instead_of=standing).notes)


def test_a_rule_that_asks_whether_a_signal_fires_is_asked_as_it_fired(heard, resolves, rule, draft, later, time):
    standing = rule("auto_close", 'signal.status == "firing"', hours=1)
    heard(labelled("a"))
    later(3 * HOUR)
    assert longer(draft("auto_close", "false", hours=1, instead_of=standing)) == ["INC-1"]


def test_pages_and_the_api_name_what_would_have_stayed_open(
    cast, heard, resolves, rule, client, signed_in, later, time
):
    standing = rule("auto_close", hours=1)
    heard(labelled("a", title="Slow"))
    later(3 * HOUR)
    sent = {"kind": "auto_close", "expression": "false", "settings": {"hours": 1}, "instead_of": standing.number}
    assert send(client, cast.omar, "post", "/try", sent, "rules:read").json()["open_longer"] == [1]
    form = {"expression": "false", "hours": "1", "also": "1", "seen_version": "1"}
    page = signed_in(cast.omar).post(reverse("rule_change", args=[standing.number]), form).content.decode()
    named = page.partition("Incidents open for longer")[2][:200]
    assert reverse("incident", args=[1]) in named
    Incident.objects.update(restricted=True)
    cast.sam.role = "lead"
    cast.sam.save()
    answers = [
        signed_in(cast.sam).post(reverse("rule_change", args=[standing.number]), form).content.decode(),
        send(client, cast.sam, "post", "/try", sent, "rules:read").content.decode(),
    ]
    for answer in answers:
        assert "INC-1" not in answer
        assert "Slow" not in answer
