"""The demo's lever: prepared on the kill switch of the support assistant, and rehearsed before anything happens."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from andon.cli.demo.replicas import REPLICAS, Replicas
from andon.cli.demo.seed import Unseeded, World
from andon.kit import clock

if TYPE_CHECKING:
    from andon.containment.models import Lever, Rehearsal
    from andon.people.policy import Actor

SYSTEM: Final = "support-assistant"
NAME: Final = "Answer by the pinned model"
_PATIENCE: Final = 120.0
_LOOK_EVERY: Final = 0.05


def prepare(world: World, replicas: Replicas, address: str, folder: Path) -> "Lever":
    """Start the model server guarded, make the lever, rehearse it; Andon's own server must be running."""
    from andon.containment import actions
    from andon.people.policy import Actor
    from andon.practice.words import ContainmentKind
    from andon.registry.policy import access_system
    from andon.switch.actions import make_token

    by = Actor.of(world.people["vera"])
    system = access_system(by, SYSTEM)
    replicas.start(address, make_token(system, name="Replicas of the assistant", by=by).token, folder)
    facts = actions.LeverFacts(
        name=NAME, kind=ContainmentKind.CONSTRAIN, settings={"system": SYSTEM, "mode": "safe"}, verify_seconds=120,
        every_seconds=1,
        effect="Every replica answers by the version of the model that is pinned. Customers notice nothing.",
    )  # fmt: skip
    lever = actions.create_lever(system, "switch", facts, by=by)
    _until(f"{REPLICAS} replicas are heard", lambda: _heard() == REPLICAS)
    _rehearse(lever, by)
    return lever


def _heard() -> int:
    """How many replicas say that they apply what the switch says."""
    from andon.switch import queries
    from andon.switch.models import Switch

    return queries.seen(Switch.objects.select_related("system").get(system__slug=SYSTEM), clock.now()).tally.applies


def _rehearse(lever: "Lever", by: "Actor") -> None:
    """Pulled, seen, undone, seen: on the real replicas, which serve nobody yet."""
    from andon.containment import actions
    from andon.containment.models import Rehearsal

    rehearsal = actions.rehearse(lever, by=by, on_real=True)
    _until("the rehearsal is over", lambda: _moved(rehearsal))
    if rehearsal.state != Rehearsal.State.PASSED:
        raise Unseeded(f"The rehearsal of the lever did not pass: {rehearsal.says}")


def _moved(rehearsal: "Rehearsal") -> bool:
    """Make the moves that are due, as the engine does; whether it is over."""
    from andon.containment import actions

    for pull in rehearsal.pulls.exclude(next_at=None):
        actions.run_pull(pull)
    rehearsal.refresh_from_db()
    return rehearsal.ended_at is not None


def _until(what: str, look: Callable[[], bool]) -> None:
    import time

    deadline = clock.monotonic() + _PATIENCE
    while not look():
        if clock.monotonic() > deadline:
            raise Unseeded(f"{what[:1].upper()}{what[1:]}: waited for in vain.")
        time.sleep(_LOOK_EVERY)
