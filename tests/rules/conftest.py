"""A sender, and rules made in a line."""

from datetime import timedelta

import pytest

from andon.intake import actions as intake
from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.rules import RuleKind
from andon.rules import actions
from andon.rules.facts import RuleFacts


@pytest.fixture
def monitor(cast):
    integration, _ = intake.create_integration(
        slug="prometheus", name="Prometheus", kind="alertmanager", by=Actor.of(cast.nadia)
    )
    return integration


@pytest.fixture
def rule(cast, time):
    """A rule of Omar's: `rule("silence", 'signal.title == "x"', covers_severe=True)`."""

    def make(kind, expression="true", *, by=None, name="", system=None, starts_at=None, ends_at=None, **settings):
        kind = RuleKind(kind)
        if kind is RuleKind.SILENCE and ends_at is None:
            ends_at = clock.now() + timedelta(hours=1)
        if kind is RuleKind.HEARTBEAT and system is None:
            system = cast.credit_scorer
        facts = RuleFacts(
            kind,
            name or f"A {kind.words}",
            expression,
            system,
            "because of a test",
            starts_at,
            ends_at,
            settings,
        )
        return actions.create_rule(facts, by=Actor.of(by or cast.omar))

    return make
