"""What a lever's adapter is: one way of rolling back, disabling or constraining something, and of seeing the effect.

An adapter knows nothing of incidents, people or tables (the kill switch apart, whose other side is Andon itself). It is
asked in this order: `state` what holds now, `plan` what would be set, `act` to set it, `probe` whether the data plane
shows it. `act` is called once for each approval; what it cannot say for sure it must not say: see `LeverFault`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self

from andon.kit import outbound
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings, checked, secrets_stay
from andon.practice.words import ContainmentKind

State = Mapping[str, Any]
"""What holds on the control plane: JSON, small. It is shown to people: no secret belongs in it."""
_ELSEWHERE: Final = (307, 308)


@dataclass(frozen=True)
class Plan:
    """What a pull would set: as the other side states it, and as a sentence ("credit-scorer goes from v7 to v6")."""

    expected: State
    says: str


@dataclass(frozen=True)
class Done:
    """The other side took it: in words, and what it answered with (ids, revisions), for the record."""

    text: str
    facts: State = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What the data plane shows. `holds` is None where it could not be told: that is never read as success."""

    holds: bool | None
    text: str
    facts: State = field(default_factory=dict)

    @classmethod
    def yes(cls, text: str, facts: State | None = None) -> Self:
        """The expected state holds."""
        return cls(holds=True, text=text, facts=facts or {})

    @classmethod
    def no(cls, text: str, facts: State | None = None) -> Self:
        """It does not, or not yet."""
        return cls(holds=False, text=text, facts=facts or {})

    @classmethod
    def unclear(cls, text: str, facts: State | None = None) -> Self:
        """It could not be told."""
        return cls(holds=None, text=text, facts=facts or {})


class LeverFault(Exception):  # noqa: N818  reads as what it is
    """The other side did not do what was asked, or nobody knows.

    `sure`: certainly nothing was changed (refused before the act, never reached). Otherwise it is unknown, and the data
    plane is asked. The text says what happened, for a person at night; no secret in it.
    """

    def __init__(self, text: str, *, sure: bool) -> None:
        super().__init__(text)
        self.text = text
        self.sure = sure


class LeverAdapter:
    """What every adapter is made from. `adapter.py` of a folder in `adapters/` has a class `Adapter` of it.

    Everything that talks to the outside ends within `limit` seconds, whatever the other side does.
    """

    kind: ClassVar[str]
    """As its folder is called."""
    title: ClassVar[str]
    line: ClassVar[str]
    """What it does, in a sentence."""
    does: ClassVar[frozenset[ContainmentKind]]
    fields: ClassVar[tuple[Field, ...]] = ()
    undoes: ClassVar[bool] = True
    """Whether `undo` brings back what held before."""
    looks: ClassVar[bool] = True
    """Whether `probe` can see the data plane. Where not, a lever needs a probe of its own (see `probes`)."""
    safe: ClassVar[bool] = False
    """Whether pulling and undoing it on the real target changes nothing for anybody (then a rehearsal may do so)."""
    inside: ClassVar[bool] = False
    """Whether its other side is Andon itself, so that asking it is a read of Andon's own tables."""
    limit: ClassVar[float] = 20.0
    """Seconds that `act` and `undo` may take at most. One that died is looked after no sooner."""

    def check(self, settings: Settings) -> Sequence[str]:
        """What is wrong with the settings as a whole, in words; nothing when they can be meant. No I/O."""
        _ = settings
        return ()

    def undoable(self, settings: Settings) -> bool:
        """Whether `undo` can bring back what held before with these settings, as far as that can be told here."""
        _ = settings
        return self.undoes

    def state(self, settings: Settings) -> State:
        """What holds now, on the control plane. Raises `LeverFault`."""
        raise NotImplementedError

    def plan(self, settings: Settings, prior: State) -> Plan:
        """What would be set, given what holds now. Pure; raises `LeverFault` (sure) where that makes no sense."""
        raise NotImplementedError

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Set it, once. `key` is to be passed on where the other side takes an idempotency key. Raises `LeverFault`."""
        raise NotImplementedError

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Bring back `prior`, once. Raises `LeverFault`."""
        raise NotImplementedError

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """One look at the data plane: whether it shows `plan.expected`. What cannot be told is `Seen.unclear`.

        After an undo it is asked with a plan that expects what held before. Raises nothing that it knows.
        """
        _ = settings, plan
        return Seen.unclear("This lever cannot see the data plane by itself.")


def complaints(adapter: LeverAdapter, settings: Settings) -> list[str]:
    """Everything that stands against these settings, in words; nothing when the lever can be pulled with them."""
    missing = [f"{one.label} is missing." for one in adapter.fields if one.required and not settings.get(one.name)]
    return missing or list(adapter.check(settings))


def cleaned(fields: Sequence[Field], given: Settings, before: Settings | None = None) -> dict[str, str]:
    """Settings as they are kept, with defaults. Raises `Invalid` naming the field, also for one that is unknown.

    A secret that is left empty stays as it was `before`, unless it would now be sent elsewhere (`secrets_stay`).
    """
    known = [one.name for one in fields]
    if strange := sorted(set(given) - set(known)):
        raise Invalid(f"There is no setting {strange[0]!r}. There are: {', '.join(known)}.", field=strange[0])
    before = before or {}
    whole = {one.name: checked(one, given.get(one.name, "")) or one.default for one in fields}
    for one in fields:
        if one.secret and not given.get(one.name):
            whole[one.name] = before.get(one.name, "")
    kept = {name: value for name, value in whole.items() if value}
    secrets_stay(fields, before, kept, given)
    return kept


def web_address(value: str) -> str:
    """An http(s) address without a password in it, as a field's `check`; the host is judged when it is called."""
    value = value.strip()
    try:
        outbound.well_formed(value)
    except outbound.TargetRefused as refused:
        raise Invalid(refused.what) from refused
    return value


def json_object(value: str) -> str:
    """A JSON object, as a field's `check`; kept as it was typed."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"This is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise Invalid('This is JSON, but not an object. It begins with { and ends with }, as {"model": "v6"}.')
    return value.strip()


def own_fault(kind: str, error: Exception) -> str:
    """What people read of an error that no adapter should raise; what it says itself may hold a secret."""
    return f"Andon’s own fault in the {kind} lever: {type(error).__name__}. The log has details."


def state_of(adapter: LeverAdapter, settings: Settings) -> dict[str, Any]:
    """What holds now, as it can be written down. Raises `LeverFault`: also for half a character (RFC 8259, 8.2)."""
    found = dict(adapter.state(settings))
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise LeverFault(
            "What holds now was answered with half a character in it: that is no text.", sure=True
        ) from error
    return found


def call(
    who: str,
    method: str,
    url: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    deadline: float = outbound.DEADLINE,
    changes: bool = True,
    largest: int = outbound.LARGEST_ANSWER,
    authority: str = "",
) -> outbound.Answer:
    """One request to the other side, any answer returned as it is; `who` begins a sentence: "MLflow".

    Raises `LeverFault`: sure where the request never got out, or where it `changes` nothing anyway (reading).
    """
    try:
        return outbound.request(
            method, url, body=body, headers=headers, deadline=deadline, largest=largest, authority=authority
        )
    except outbound.TargetRefused as refused:
        raise LeverFault(refused.what, sure=True) from refused
    except outbound.NotConnected as error:
        raise LeverFault(f"{who} could not be reached, so nothing was asked of it: {error}"[:300], sure=True) from error
    except outbound.Unreachable as error:
        said = f"{who} did not answer in full: {error}"[:250]
        raise LeverFault(
            said if not changes else f"{said} It may have done what was asked.", sure=not changes
        ) from error


def answered(who: str, answer: outbound.Answer, *, changes: bool = True) -> outbound.Answer:
    """The answer if it is 2xx. Raises `LeverFault` otherwise: sure where HTTP says "not done".

    That is 4xx, and "ask elsewhere" (307, 308). Other redirects may lead to a page about what was just done: many
    services answer a POST that they took with 302 or 303 (RFC 9110, 15.4).
    """
    if answer.ok:
        return answer
    refused = 400 <= answer.status < 500 or answer.status in _ELSEWHERE  # noqa: PLR2004  refusals (RFC 9110, 15.5)
    words = answer.body[:200].decode("utf-8", "replace").strip()
    said = f"{who} answered {answer.status}{': ' + words if words else ''}."
    raise LeverFault(said, sure=refused or not changes)


def read_json(who: str, answer: outbound.Answer, *, changes: bool = True) -> Any:
    """The JSON of an answer. Raises `LeverFault` where it is none: nonsense is no state."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise LeverFault(f"{who} answered with something that is not JSON.", sure=not changes) from error
