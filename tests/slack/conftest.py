"""Fixtures: a workspace on loopback, the cast in it, and an engine that works through all that is due."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from andon.engine.loop import Engine, build
from andon.incidents.models import Incident
from andon.kit.clock import FixedClock
from andon.paging.providers import actions as providers
from andon.people.models import ChannelKind
from andon.people.policy import Actor
from tests.support.cast import Cast
from tests.support.paging import open_incident
from tests.support.slack import Slack, a_workspace, connect

Run = Callable[..., None]


@pytest.fixture
def slack() -> Iterator[Slack]:
    with a_workspace() as one:
        yield one


@pytest.fixture
def engine(db: None) -> Engine:
    return build(senders=0)


@pytest.fixture
def run(engine: Engine, time: FixedClock) -> Run:
    """Let the engine do all that is due, after so long."""

    def go(**later: float) -> None:
        from datetime import timedelta

        time.forward(timedelta(**later))
        engine.run_until_idle(time.now())
        assert not engine.failing, engine.failing

    return go


@pytest.fixture
def connected(slack: Slack, cast: Cast, time: FixedClock) -> Slack:
    """Lena is paged by Slack alone; Omar, Tomas and Sam are in the workspace as well."""
    connect(slack, cast.nadia, cast.lena, cast.omar, cast.tomas, cast.sam)
    cast.lena.contact_points.filter(kind="log").update(removed_at=time.now())
    return slack


@pytest.fixture
def incident(connected: Slack, cast: Cast) -> Incident:
    return open_incident(cast.credit_scorer, cast.vera)


@pytest.fixture
def with_channels(connected: Slack, cast: Cast) -> Slack:
    providers.set_up(ChannelKind.SLACK, {"channels_from": "S3"}, by=Actor.of(cast.nadia))
    return connected


def shown(message: dict[str, Any]) -> str:
    return json.dumps(message["blocks"], ensure_ascii=False)


def summary(slack: Slack, name: str) -> dict[str, Any]:
    channel = slack.channel(name)
    (message,) = [one for (place, _), one in slack.messages.items() if place == channel.id]
    return message


def name_of(incident: Incident) -> str:
    return f"inc-{incident.number}-credit-scorer"
