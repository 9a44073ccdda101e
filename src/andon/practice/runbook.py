"""Runbooks: what is done about one kind of trouble, step by step, and the way that a run takes through them.

The steps stand in one order. A run goes from one to the next; a decision leads on by its outcome, and a step that is
done may lead on past others (`then`). What is skipped or did not work leads to the next step, so that levers written
one below the other are a ladder: the next is tried where the one before did not work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from andon.practice.words import ContainmentKind, IncidentType, Measure, RunbookPhase, StepKind, StepState, SystemKind

REQUIRED: Final = tuple(RunbookPhase)
"""Phases that every runbook has: whoever leaves one out has not thought it to its end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer to a decision: its name for ever, what it says, and the step that it leads to; empty = the next."""

    key: str
    words: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of the decision log: an aggregate by window, of all rows or side by side for groups.

    Attributes:
        measure: What is made of the rows of a window.
        what: An SQL expression; `{role}` stands for the column that plays the role. Empty for a count of all rows.
        only: A condition: other rows are not counted.
        by: The role or column whose values are compared; empty = all rows together.
        window_minutes: How long a window is.
        hours: How far before the onset it looks.
    """

    measure: Measure
    what: str = ""
    only: str = ""
    by: str = ""
    window_minutes: int = 60
    hours: int = 72


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do.

    Attributes:
        key: Its name inside the runbook, for ever: what was done is recorded under it.
        phase: Which phase it belongs to.
        kind: What it asks for.
        title: What to do, in a line.
        body: How, in Markdown.
        line: Where it stands in its file, from 1.
        minutes: How long it takes, about.
        optional: Whether it may be left undone without a reason.
        then: The step that it leads to when it is done, past those between; empty = the next.
        outcomes: Of a decision: its answers.
        does: Of a lever: which way of stopping the line.
        lever: Of a lever: its name on the system, where the runbook is written for one.
        ask: Of a query: what is asked of the decision log.
        audience: Of a notice: who is told.
        within: Of a notice: how soon after detection, in words.
        draft: Of a notice: its text, with places to be filled from the incident.
    """

    key: str
    phase: RunbookPhase
    kind: StepKind
    title: str
    body: str = ""
    line: int = 1
    minutes: int | None = None
    optional: bool = False
    then: str = ""
    outcomes: tuple[Outcome, ...] = ()
    does: ContainmentKind | None = None
    lever: str = ""
    ask: Ask | None = None
    audience: str = ""
    within: str = ""
    draft: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """What is done about one kind of trouble.

    Attributes:
        key: Its name for ever.
        title: Its name as people read it.
        summary: When to take it, in a sentence or two.
        owner: Who keeps it right: a role in words, or somebody's e-mail address.
        types: Incident types that it is for.
        systems: Kinds of system that it is for; empty = any.
        components: Components (short names or kinds) that it is about; empty = none in particular.
        watches: Kinds of watch whose alarm calls for it.
        signs: Words of a title, description or signal that call for it.
        reviewed: When somebody last read it as a whole and found it right.
        review_days: After how many days that is due again.
        minutes: How long a run takes, about.
        intro: What to know before the first step, in Markdown.
        steps: What to do, in order.
    """

    key: str
    title: str
    summary: str
    owner: str
    types: tuple[IncidentType, ...]
    reviewed: date
    review_days: int
    minutes: int
    steps: tuple[Step, ...]
    systems: tuple[SystemKind, ...] = ()
    components: tuple[str, ...] = ()
    watches: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()
    intro: str = ""

    def step(self, key: str) -> Step | None:
        """The step of that name; None if there is none."""
        return next((step for step in self.steps if step.key == key), None)

    def place(self, key: str) -> int:
        """Where a step stands, from 0. Raises KeyError."""
        for place, step in enumerate(self.steps):
            if step.key == key:
                return place
        raise KeyError(key)


@dataclass(frozen=True, slots=True)
class Misstep:
    """What is wrong with the way through a runbook, and at which step; empty = with the whole."""

    step: str
    text: str


def missteps(runbook: Runbook) -> Iterator[Misstep]:
    """What keeps the way through a runbook from being followed. None if every step can be come to, and the end too."""
    keys = [step.key for step in runbook.steps]
    for key in dict.fromkeys(keys):
        if keys.count(key) > 1:
            yield Misstep(key, f"{keys.count(key)} steps are called {key}. Give each a name of its own.")
    yield from _phases(runbook)
    broken = list(_targets(runbook, set(keys)))
    yield from broken
    if broken or len(set(keys)) < len(keys):
        return  # the way cannot be walked
    reached = _reached(runbook)
    for step in runbook.steps:
        if step.key not in reached:
            yield Misstep(
                step.key, "nothing leads to it: the decision before it goes elsewhere. Let an outcome lead here."
            )


def _phases(runbook: Runbook) -> Iterator[Misstep]:
    highest = RunbookPhase.CONTAIN
    for step in runbook.steps:
        if not step.phase.at_least(highest):
            order = ", ".join(phase.label for phase in RunbookPhase)
            yield Misstep(step.key, f"{step.phase.label} stands after {highest.label}. The order is: {order}.")
        else:
            highest = step.phase
    there = {step.phase for step in runbook.steps}
    for phase in REQUIRED:
        if phase not in there:
            yield Misstep("", f"it has no step under {phase.label}. Write one, or say there why nothing is to be done.")


def _targets(runbook: Runbook, keys: set[str]) -> Iterator[Misstep]:
    for place, step in enumerate(runbook.steps):
        if step.then and step.then not in keys:
            yield Misstep(step.key, f"then leads to {step.then}, and there is no such step.")
        elif step.then and runbook.place(step.then) <= place:
            yield Misstep(step.key, f"then leads back to {step.then}. Only the outcome of a decision leads back.")
        back = 0
        for outcome in step.outcomes:
            if outcome.to and outcome.to not in keys:
                yield Misstep(step.key, f"the outcome {outcome.key} leads to {outcome.to}, and there is no such step.")
            elif outcome.to and runbook.place(outcome.to) <= place:
                back += 1
        if step.outcomes and back == len(step.outcomes):
            yield Misstep(step.key, "every outcome leads back, so that a run never ends. Let one lead on.")


def _reached(runbook: Runbook) -> set[str]:
    """The steps that a run can come to; a decision leads on by its outcomes alone."""
    reached: set[str] = set()
    coming = [runbook.steps[0].key] if runbook.steps else []
    while coming:
        key = coming.pop()
        if key in reached:
            continue
        reached.add(key)
        step, place = runbook.steps[runbook.place(key)], runbook.place(key)
        following = runbook.steps[place + 1].key if place + 1 < len(runbook.steps) else ""
        ways = [outcome.to or following for outcome in step.outcomes] or [following, step.then]
        coming.extend(way for way in ways if way)
    return reached


def calls_for(step: Step, kind: ContainmentKind, name: str) -> bool:
    """Whether a step asks for a lever of this kind and name: by its name where the step gives one, else by its kind."""
    if step.kind is not StepKind.LEVER:
        return False
    return step.lever.casefold() == name.casefold() if step.lever else step.does is kind


def pulled_for(runbook: Runbook, states: Mapping[str, StepState], kind: ContainmentKind, name: str) -> Step | None:
    """The step that is done by a lever that was seen to hold: the first to do that asks for it; None if none does.

    What stands after a decision that is still to come counts too: the lever is pulled, whatever is decided.
    """
    todo = (step for step in runbook.steps if states.get(step.key, StepState.TODO) is StepState.TODO)
    return next((step for step in todo if calls_for(step, kind, name)), None)


@dataclass(frozen=True, slots=True)
class Move:
    """What follows for other steps when one is settled.

    Attributes:
        passed: Steps still to do that the way taken does not lead over.
        again: Steps that are to be done once more, the settled one among them: a decision led back.
    """

    passed: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


def leads_to(step: Step, state: StepState, outcome: str = "") -> str:
    """The step that a settled one leads to past others; empty = the next. Only what is done leads past others."""
    if state is not StepState.DONE:
        return ""
    return next((one.to for one in step.outcomes if one.key == outcome), "") if step.outcomes else step.then


def move(runbook: Runbook, key: str, state: StepState, outcome: str, states: Mapping[str, StepState]) -> Move:
    """What follows when a step becomes `state`; `states` is how all of them stood before.

    Leading on passes by what is still to do between. Leading back opens again the steps of the phase that it leads to,
    from there on, and those of the decision's own phase: contain again, verify again; what was assessed stands.
    """
    step = runbook.step(key)
    to = leads_to(step, state, outcome) if step is not None else ""
    if step is None or not to:
        return Move()
    here, there = runbook.place(key), runbook.place(to)
    if there > here:
        between = (one.key for one in runbook.steps[here + 1 : there])
        return Move(passed=tuple(one for one in between if states.get(one, StepState.TODO) is StepState.TODO))
    phases = {runbook.steps[there].phase, step.phase}
    return Move(again=tuple(one.key for one in runbook.steps[there : here + 1] if one.phase in phases))


def passed_by(runbook: Runbook, key: str, state: StepState, outcome: str, states: Mapping[str, StepState]) -> list[str]:
    """The steps that a settled one passed by: they are to be done after all when it is opened again."""
    step = runbook.step(key)
    to = leads_to(step, state, outcome) if step is not None else ""
    if not to or runbook.place(to) <= runbook.place(key):
        return []
    between = runbook.steps[runbook.place(key) + 1 : runbook.place(to)]
    return [one.key for one in between if states.get(one.key) is StepState.PASSED]


def current(runbook: Runbook, states: Mapping[str, StepState], *, held: bool) -> Step | None:
    """The step to do next: the first to do that is open; diagnosing opens once containment is `held` or waived."""
    todo = (step for step in runbook.steps if states.get(step.key, StepState.TODO) is StepState.TODO)
    return next((step for step in todo if held or step.phase is not RunbookPhase.DIAGNOSE), None)
