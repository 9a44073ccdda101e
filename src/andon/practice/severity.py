"""Severity: two axes, the worse one counts, and unknown is not zero.

The axes are technical impact, T0 to T4, and harm in seven dimensions, H0 to H4 each. The rules:

1. Four dimensions are harm itself: physical or psychological, rights or legal effect, financial, privacy. The
   other three say how bad that harm is, and are nothing without it: where harm itself is H0 they do not
   count, and else they count for at most one level above it. (A trifle that reaches everybody is no
   catastrophe; a serious harm at scale is.)
2. The level is the greatest of all that counts, never a sum or an average: 4 is S1, 3 S2, 2 S3, 1 S4, 0 S5.
3. A score that nobody has given counts at its plausible worst, from a table by the system's criticality and
   the incident's type. The reason says which scores are assumed.
4. The level is raised by one, once, if there is *evidence* (not only an assumption) that
   * harm itself of H2 or more goes on uncontained, or
   * vulnerable people are affected at H2 or more, and there is any harm for them to suffer.
   Assumptions do not raise: they stand at their worst already, and everything would be S1 at its opening.
   The raise is reckoned without vulnerability's own term in the maximum, so that it never counts twice.

Better knowledge works as one expects: a higher score never gives a milder severity, and evidence that
confirms an assumption never does either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from types import MappingProxyType

from andon.practice.plausible import DEFAULT_TABLE, WORST_SCORE, Worst, WorstTable
from andon.practice.targets import FirstWord, Targets, Within
from andon.practice.words import Criticality, HarmDimension, IncidentType, Word

__all__ = [
    "DEFAULT_TABLE",
    "DEFAULT_TARGETS",
    "MODIFIERS",
    "SUBSTANTIVE",
    "Assessment",
    "Change",
    "Classification",
    "FirstWord",
    "Severity",
    "Targets",
    "Term",
    "Verdict",
    "Within",
    "Worst",
    "WorstTable",
    "change",
    "classify",
    "plausible_worst",
]

SUBSTANTIVE = (
    HarmDimension.PHYSICAL,
    HarmDimension.RIGHTS,
    HarmDimension.FINANCIAL,
    HarmDimension.PRIVACY,
)
MODIFIERS = (HarmDimension.SCALE, HarmDimension.REVERSIBILITY, HarmDimension.VULNERABILITY)
RAISES_FROM = 2
NAMED_GUESSES = 2  # assumed dimensions that a reason names before it counts them


class Severity(IntEnum):
    """S1 is worst. The number is the digit, so a greater number is a milder severity: ask `worse_than`."""

    S1 = 1
    S2 = 2
    S3 = 3
    S4 = 4
    S5 = 5

    def worse_than(self, other: Severity) -> bool:
        """Whether this severity is strictly worse than the other."""
        return self.value < other.value

    @classmethod
    def of_level(cls, level: int) -> Severity:
        """The severity of a level on either axis: 4 is S1, 0 is S5."""
        return cls(WORST_SCORE + 1 - level)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What has been scored so far, 0 to 4; None, or a dimension left out, is not assessed yet.

    Raises ValueError for a score out of range, naming it.
    """

    technical: int | None = None
    harms: Mapping[HarmDimension, int | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse scores that mean nothing."""
        named = {"technical impact": self.technical} | {d.words: score for d, score in self.harms.items()}
        for name, score in named.items():
            if score is not None and not 0 <= score <= WORST_SCORE:
                raise ValueError(f"The score of {name} is {score}; it must be from 0 to {WORST_SCORE}, or empty.")


@dataclass(frozen=True, slots=True)
class Term:
    """One score as it entered the severity.

    Attributes:
        dimension: The harm dimension; None is technical impact.
        score: The score, given or assumed.
        counts: What it counted for: the score, or less for a modifier held by the harm it modifies.
        assumed: Whether it is the plausible worst because nobody has scored it.
    """

    dimension: HarmDimension | None
    score: int
    counts: int
    assumed: bool

    @property
    def text(self) -> str:
        """As the reason names it: "scale H2"."""
        name = f"technical impact T{self.score}" if self.dimension is None else f"{self.dimension.words} H{self.score}"
        return f"{name} (counts as H{self.counts} beside the harm itself)" if self.counts < self.score else name


@dataclass(frozen=True, slots=True)
class Classification:
    """A severity, the sentence that says why, and every term that went in."""

    severity: Severity
    reason: str
    terms: tuple[Term, ...]
    raised_by: tuple[str, ...] = ()

    @property
    def assumed(self) -> tuple[Term, ...]:
        """The terms that nobody has assessed yet."""
        return tuple(term for term in self.terms if term.assumed)


def plausible_worst(
    criticality: Criticality,
    type: IncidentType,  # noqa: A002 - the design's word for it
    table: WorstTable = DEFAULT_TABLE,
) -> Mapping[HarmDimension, int]:
    """What each unscored harm dimension counts for, by the system's criticality and the incident's type."""
    return table[criticality, type].harms


def classify(
    assessment: Assessment,
    *,
    criticality: Criticality,
    type: IncidentType,  # noqa: A002 - the design's word for it
    contained: bool,
    vulnerable: bool | None = None,
    table: WorstTable = DEFAULT_TABLE,
) -> Classification:
    """The severity of an incident as far as it is known, by the rules at the top of this module.

    Args:
        assessment: The scores given so far.
        criticality: How critical the system is. For an incident without a system, the caller chooses.
        type: The primary type of the incident.
        contained: Whether the harm has been stopped. A waiver of containment stops nothing.
        vulnerable: Whether vulnerable people are known to be affected, where the dimension itself is not
            scored: True counts as H2 with evidence, False as H0 with evidence, None leaves it unassessed.
        table: The plausible worst; the handbook may bring its own.
    """
    scores = _scores(assessment, table[criticality, type], vulnerable)
    terms = _terms(scores)
    raised_by = _raises(terms, contained=contained)
    level = max(term.counts for term in terms)
    if raised_by:
        # Rule 4: evidence of vulnerability raises, so its term must not be counted a second time.
        others = max(term.counts for term in terms if term.dimension is not HarmDimension.VULNERABILITY)
        raised = min(max(level, others + 1), WORST_SCORE)
    else:
        raised = level
    return Classification(
        severity=Severity.of_level(raised),
        reason=_reason(terms, level, raised, raised_by),
        terms=terms,
        raised_by=raised_by,
    )


@dataclass(frozen=True, slots=True)
class _Scores:
    technical: tuple[int, bool]
    harms: Mapping[HarmDimension, tuple[int, bool]]


def _scores(assessment: Assessment, worst: Worst, vulnerable: bool | None) -> _Scores:  # noqa: FBT001 - passed through
    """Every score with whether it is assumed."""
    given = dict(assessment.harms)
    if vulnerable is not None and given.get(HarmDimension.VULNERABILITY) is None:
        given[HarmDimension.VULNERABILITY] = RAISES_FROM if vulnerable else 0

    def known(score: int | None, fallback: int) -> tuple[int, bool]:
        return (fallback, True) if score is None else (score, False)

    return _Scores(
        technical=known(assessment.technical, worst.technical),
        harms={dimension: known(given.get(dimension), worst.harms[dimension]) for dimension in HarmDimension},
    )


def _terms(scores: _Scores) -> tuple[Term, ...]:
    """Every score with what it counts for: modifiers no more than one level above the harm itself."""
    harm_itself = max(scores.harms[dimension][0] for dimension in SUBSTANTIVE)
    ceiling = harm_itself + 1 if harm_itself else 0
    technical, technical_assumed = scores.technical
    terms = [Term(None, technical, technical, technical_assumed)]
    for dimension, (score, assumed) in scores.harms.items():
        counts = min(score, ceiling) if dimension in MODIFIERS else score
        terms.append(Term(dimension, score, counts, assumed))
    return tuple(terms)


def _raises(terms: tuple[Term, ...], *, contained: bool) -> tuple[str, ...]:
    """What raises the level by one, in words; evidence only."""
    evidence = {term.dimension: term for term in terms if not term.assumed and term.counts >= RAISES_FROM}
    raises = []
    if not contained and any(dimension in evidence for dimension in SUBSTANTIVE):
        raises.append("the harm goes on uncontained")
    if HarmDimension.VULNERABILITY in evidence:
        raises.append("vulnerable people are affected")
    return tuple(raises)


def _reason(terms: tuple[Term, ...], level: int, raised: int, raised_by: tuple[str, ...]) -> str:
    """The sentence: what decided, the lesser evidence worth knowing, and what raised it."""
    said = [
        term
        for term in terms
        if term.counts and (term.counts == level or (term.counts >= RAISES_FROM and not term.assumed))
    ]
    said.sort(key=lambda term: -term.counts)
    known = ", ".join(term.text for term in said if not term.assumed)
    guessed = [term for term in said if term.assumed]
    parts = [known, f"{_together(guessed)} (not yet assessed: plausible worst)" if guessed else ""]
    because = "; ".join(filter(None, parts)) or "no impact and no harm: a hazard or near miss"
    text = f"{Severity.of_level(raised).name} because: {because}"
    if raised > level:
        text += f"; raised from {Severity.of_level(level).name}: {' and '.join(raised_by)}"
    return text


def _together(guessed: list[Term]) -> str:
    """Assumed terms in few words: what nobody has looked at needs no list of its own in a sentence."""
    harms = [term for term in guessed if term.dimension is not None]
    technical = [term.text for term in guessed if term.dimension is None]
    if len(harms) <= NAMED_GUESSES:
        return ", ".join([*technical, *(term.text for term in harms)])
    return ", ".join([*technical, f"harm H{max(term.counts for term in harms)} in {len(harms)} dimensions"])


def heard_worse(
    current: Severity, technical: int | None, heard: Iterable[Severity | None], before: Iterable[Severity | None]
) -> Severity | None:
    """What signals that join an incident, or got worse in it, raise it to; None = they tell nothing worse.

    Only what was not said before is news: people have judged what was, and may have found it milder than its senders.

    Args:
        current: The severity in force.
        technical: The technical impact as scored so far, T0 to T4; None = not scored.
        heard: What senders say of these signals; None says nothing.
        before: What they said of the others of this incident.
    """
    worst = min((one for one in heard if one is not None), default=None)
    if worst is None or not worst.worse_than(current):
        return None
    if technical is not None and Severity.S5 - worst <= technical:
        return None
    told = min((one for one in before if one is not None), default=None)
    return worst if told is None or worst.worse_than(told) else None


class Change(Word):
    """Why a change of severity is taken or refused; ``words`` is the sentence to show."""

    RAISED = "raised", "The severity is raised. That needs nobody's approval."
    LOWERED = "lowered", "The severity is lowered, approved and with a reason."
    UNCHANGED = "unchanged", "That is the severity already. Nothing changes."
    NEEDS_REASON = (
        "needs_reason",
        "Lowering the severity needs a reason. Say what is known now that was not before.",
    )
    NEEDS_APPROVER = (
        "needs_approver",
        "Lowering the severity needs a named approver. Name somebody to approve it.",
    )
    APPROVER_IS_ASKING = (
        "approver_is_asking",
        "Whoever asks to lower the severity cannot approve it. Name somebody else.",
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a change of severity may be made, and why."""

    ok: bool
    reason: Change

    @property
    def text(self) -> str:
        """The reason as a sentence."""
        return self.reason.words


def change(current: Severity, proposed: Severity, *, approver: str | None, reason: str, requested_by: str) -> Verdict:
    """Whether the severity may be changed: raising needs nobody, lowering a named approver and a reason.

    Args:
        current: The severity now.
        proposed: The one asked for.
        approver: Id of the person who approves; None or blank for nobody. What is compared are ids, so give
            both people in the same form.
        reason: Why, in words.
        requested_by: Id of the person who asks.
    """
    if proposed.worse_than(current):
        return Verdict(ok=True, reason=Change.RAISED)
    if proposed is current:
        return Verdict(ok=False, reason=Change.UNCHANGED)
    approving = (approver or "").strip()
    if not reason.strip():
        return Verdict(ok=False, reason=Change.NEEDS_REASON)
    if not approving:
        return Verdict(ok=False, reason=Change.NEEDS_APPROVER)
    if approving.casefold() == requested_by.strip().casefold():
        return Verdict(ok=False, reason=Change.APPROVER_IS_ASKING)
    return Verdict(ok=True, reason=Change.LOWERED)


def _minutes(number: int) -> Within:
    return Within(time=timedelta(minutes=number))


def _hours(number: int) -> Within:
    return Within(time=timedelta(hours=number))


def _days(number: int) -> Within:
    return Within(time=timedelta(days=number))


def _working_days(number: int) -> Within:
    return Within(working_days=number)


# What each severity asks for; an organisation's handbook may bring its own.
DEFAULT_TARGETS: Mapping[Severity, Targets] = MappingProxyType(
    {
        Severity.S1: Targets(
            acknowledge=_minutes(15),
            contain=_hours(1),
            first_communication=(
                FirstWord("executives", _minutes(30)),
                FirstWord("review of legal clocks", _hours(2)),
                FirstWord("affected people", _hours(24)),
            ),
        ),
        Severity.S2: Targets(
            acknowledge=_minutes(30),
            contain=_hours(4),
            first_communication=(
                FirstWord("executives", _hours(2)),
                FirstWord("affected people", _hours(72)),
            ),
        ),
        Severity.S3: Targets(
            acknowledge=_hours(4),
            contain=_hours(24),
            first_communication=(
                FirstWord("owner", _days(1)),
                FirstWord("affected people", _working_days(10)),
            ),
        ),
        Severity.S4: Targets(
            acknowledge=_working_days(1),
            contain=_days(5),
            first_communication=(FirstWord("log", None),),
        ),
        Severity.S5: Targets(
            acknowledge=_days(2),
            contain=None,
            first_communication=(FirstWord("trend", None),),
        ),
    }
)
