"""What the control planes of the system's levers say now, and what is served: versions, aliases, modes.

This is where the model's version comes from: an MLflow lever knows which version the alias stands for, a probe of a
serving endpoint knows which one answers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from andon.containment import adapters, probes
from andon.containment.evidence.case import Case, as_json
from andon.containment.evidence.gathering import Piece, Task
from andon.containment.lever import LeverAdapter, LeverFault, Seen, state_of
from andon.containment.models import Lever
from andon.containment.recording import Record


def tasks(case: Case) -> Iterator[Task]:
    """Two files for each lever of the system: what holds on the control plane, and what the data plane shows."""
    if case.system is None:
        return
    for lever in Lever.objects.filter(system=case.system, ended_at=None).order_by("number"):
        name, source = lever.ref.lower(), f"the lever “{lever.name}” ({lever.ref}, {lever.adapter})"
        if lever.adapter not in adapters.kinds():
            yield Task("levers", f"{name}-state.json", source, partial(_unknown, lever.adapter), outside=False)
            continue
        adapter = adapters.find(lever.adapter)
        yield Task("levers", f"{name}-state.json", source, partial(_state, lever, adapter), outside=not adapter.inside)
        if lever.probe or adapter.looks:
            run = partial(_served, lever, adapter)
            yield Task("levers", f"{name}-served.json", f"what {source} sees served", run, outside=not adapter.inside)


def _unknown(kind: str, _left: float) -> Piece:
    raise LookupError(f"This Andon has no adapter “{kind}”.")


def _state(lever: Lever, adapter: LeverAdapter, _left: float) -> Piece:
    with _without_secrets(lever, adapter):
        return Piece(as_json(state_of(adapter, lever.settings)))


def _served(lever: Lever, adapter: LeverAdapter, _left: float) -> Piece:
    with _without_secrets(lever, adapter) as said:
        seen = _look(lever, adapter)
        return Piece(as_json({"holds": seen.holds, "says": said.text(seen.text), "facts": said.facts(seen.facts)}))


@contextmanager
def _without_secrets(lever: Lever, adapter: LeverAdapter) -> Iterator[Record]:
    """What the other side says, also in its refusals, is sealed: a secret in it could never be taken out again."""
    said = Record.of(adapter, lever.settings, lever.probe)
    try:
        yield said
    except LeverFault as fault:
        raise LeverFault(said.text(fault.text), sure=fault.sure) from None


def _look(lever: Lever, adapter: LeverAdapter) -> Seen:
    """What the data plane shows, measured against what a pull would set: usually that it does not hold yet."""
    if lever.probe:
        return probes.look(probes.read(lever.probe))
    return adapter.probe(lever.settings, adapter.plan(lever.settings, state_of(adapter, lever.settings)))
