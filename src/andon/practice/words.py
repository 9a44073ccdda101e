"""The words of the practice: every enumeration that tables, API, screens and rules share.

Each word is a string with a plain-English reading, so that a row, a JSON body and a sentence on the screen
can never drift apart. The vocabulary is that of DESIGN.md, section 2.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Word(StrEnum):
    """A word of the practice: its value is what is stored, ``words`` is how it reads inside a sentence."""

    words: str

    def __new__(cls, value: str, words: str = "") -> Self:
        """Keep the stored value as the string and its reading beside it (by default the value, unscored)."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words or value.replace("_", " ")
        return member

    @property
    def label(self) -> str:
        """The reading as it stands alone, on a badge or in a select box: first letter upper case."""
        return self.words[:1].upper() + self.words[1:]

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        """Pairs of stored value and label, in order of declaration, as Django's ``choices`` wants them."""
        return [(member.value, member.label) for member in cls]


class RankedWord(Word):
    """A word whose order of declaration means something, lowest first.

    Compare with ``at_least``, never with ``<``: a string compares by its letters, and "admin" < "viewer".
    """

    @property
    def rank(self) -> int:
        """Position in the order of declaration, from 0."""
        return list(type(self)).index(self)

    def at_least(self, other: Self) -> bool:
        """Whether this word ranks as high as the other or higher."""
        return self.rank >= other.rank


class IncidentType(Word):
    """What kind of thing went wrong: the product's own five types, one primary per incident."""

    TECHNICAL_FAILURE = "technical_failure"
    PERFORMANCE_DEGRADATION = "performance_degradation"
    FAIRNESS_VIOLATION = "fairness_violation"
    SAFETY = "safety", "safety incident"
    ETHICAL = "ethical", "ethical incident"


class IncidentKind(Word):
    """Whether it is happening or practised. A drill reaches no public, regulator, lever or metric."""

    REAL = "real"
    DRILL = "drill"


class Criticality(RankedWord):
    """How much hangs on a system for the people and the organisation behind it."""

    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"
    CRITICAL = "critical"


class RiskClass(Word):
    """The legal reading of a system's risk; nobody having looked is said, not hidden."""

    UNASSESSED = "unassessed", "not assessed"
    MINIMAL = "minimal", "minimal risk"
    LIMITED = "limited", "limited risk"
    HIGH = "high", "high risk"
    GENERAL_PURPOSE = "general_purpose", "general-purpose model"
    PROHIBITED = "prohibited", "prohibited practice"


class Stage(Word):
    """Where a system is in its life. Production asks for readiness."""

    PROPOSED = "proposed"
    DEVELOPMENT = "development"
    PILOT = "pilot"
    PRODUCTION = "production"
    RETIRED = "retired"


class SystemKind(Word):
    """What sort of AI system it is."""

    CLASSIFIER = "classifier"
    SCORER = "scorer"
    RECOMMENDER = "recommender"
    GENERATIVE = "generative", "generative model"
    AGENT = "agent"
    VISION = "vision"
    SPEECH = "speech"
    FORECASTING = "forecasting"
    OTHER = "other"


class OrgRole(RankedWord):
    """What a person may do in the organisation, least first."""

    REPORTER = "reporter"
    VIEWER = "viewer"
    RESPONDER = "responder"
    LEAD = "lead"
    ADMIN = "admin", "administrator"


class HarmDimension(Word):
    """The seven dimensions that harm is scored in, H0 to H4 each.

    The first four are harm itself; scale, reversibility and vulnerability say how bad that harm is.
    """

    PHYSICAL = "physical", "physical or psychological harm"
    RIGHTS = "rights", "rights and legal effect"
    FINANCIAL = "financial", "financial harm"
    PRIVACY = "privacy", "privacy"
    SCALE = "scale", "scale"
    REVERSIBILITY = "reversibility", "reversibility"
    VULNERABILITY = "vulnerability", "vulnerability of those affected"


class ContainmentKind(Word):
    """The three ways to stop the line."""

    ROLL_BACK = "roll_back"
    DISABLE = "disable"
    CONSTRAIN = "constrain"


class IncidentRole(Word):
    """What somebody does in an incident."""

    LEAD = "lead", "incident lead"
    RESPONDER = "responder"
    COMMUNICATIONS = "communications"
    HARM = "harm", "harm and fairness"
    SCRIBE = "scribe"


class ClockEvent(Word):
    """From what the time of a promise counts."""

    FIRST_SIGNAL = "first_signal", "the first signal"
    AWARENESS = "awareness"
    CLASSIFIED_MAJOR = "classified_major", "its classification as major"
    DETERMINATION = "determination", "the determination"
    CAUSAL_LINK_SUSPECTED = "causal_link_suspected", "a causal link is suspected"
    CAUSAL_LINK_ESTABLISHED = "causal_link_established", "a causal link is established"
    DISCOVERY = "discovery", "the discovery"
    RESOLVED = "resolved", "its resolution"


class ChangeKind(Word):
    """What changed about a system. A change is no alarm: it is where diagnosis begins."""

    DEPLOYED = "deployed"
    ALIAS_MOVED = "alias_moved", "model alias moved"
    VERSION_CREATED = "version_created", "model version created"
    CONFIG = "config", "configuration changed"
    DATA = "data", "data changed"
    OTHER = "other", "changed"


class Phase(RankedWord):
    """The phases of a response in the order that a protocol prescribes them."""

    PRESERVE = "preserve", "preserve evidence"
    CONTAIN = "contain"
    ASSESS = "assess", "assess harm"
    TELL = "tell", "tell people"
    DIAGNOSE = "diagnose"
    RESOLVE = "resolve"
    LEARN = "learn"


class RunbookPhase(RankedWord):
    """The phases of a runbook, in order. Containing comes before understanding; telling does not wait."""

    CONTAIN = "contain"
    ASSESS = "assess", "assess harm"
    DIAGNOSE = "diagnose"
    RESOLVE = "resolve"
    VERIFY = "verify"
    COMMUNICATE = "communicate"


class StepKind(Word):
    """What a step of a runbook asks for."""

    MANUAL = "manual", "something to do"
    DECISION = "decision"
    LEVER = "lever"
    QUERY = "query", "look at the decision log"
    NOTICE = "notice"


class StepState(Word):
    """What became of a step in a run. One that the way taken does not lead over is passed by."""

    TODO = "todo", "to do"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed", "did not work"
    PASSED = "passed", "not on the way taken"


class Measure(Word):
    """What a watch makes of the rows of a window."""

    RATE = "rate", "share of rows"
    MEAN = "mean", "mean of a number"
    COUNT = "count", "number of rows"
    DISTANCE = "distance", "distance from the reference"
    GAP = "gap", "gap between groups"


class Direction(Word):
    """Which way a change is watched for."""

    UP = "up", "a rise"
    DOWN = "down", "a fall"
    BOTH = "both", "a rise or a fall"


class WatchKind(Word):
    """What a watch is about. What each counts, and which type of incident it makes, is in `andon.watch.kinds`."""

    ERROR_RATE = "error_rate"
    ACCURACY = "accuracy", "accuracy against late labels"
    CALIBRATION = "calibration", "calibration against late labels"
    ESTIMATED_ACCURACY = "estimated_accuracy", "accuracy estimated before labels"
    INPUT_DRIFT = "input_drift"
    OUTPUT_DRIFT = "output_drift"
    MISSING_INPUTS = "missing_inputs", "missing or invalid inputs"
    VOLUME = "volume"
    LATENCY = "latency"
    HARMFUL_OUTPUT = "harmful_output", "harmful-output rate"
    REFUSAL = "refusal", "refusal rate"
    COMPLAINTS = "complaints", "complaint rate"
    COST = "cost"
    FAIRNESS_GAP = "fairness_gap"
    METRIC = "metric", "metric of your own"


class FairnessMetric(Word):
    """What is compared between groups."""

    SELECTION_RATE = "selection_rate"
    TPR = "tpr", "true positive rate"
    FPR = "fpr", "false positive rate"
    PPV = "ppv", "positive predictive value"
    CALIBRATION = "calibration", "calibration"


class SwitchMode(Word):
    """What a guarded system may do. The serving process knows the same words (`andon.sdk.guard.Mode`)."""

    ON = "on", "in service"
    OFF = "off", "switched off"
    SAFE = "safe", "on its safe fallback"
    REVIEW = "review", "under review by people"
    LIMIT = "limit", "limited"

    @property
    def contains(self) -> bool:
        """Whether it holds the system back. A containment never ends by itself."""
        return self is not SwitchMode.ON


class ReplicaStanding(Word):
    """What a replica of a guarded system has said about the newest revision of its switch."""

    APPLIES = "applies", "applies it"
    BEHIND = "behind", "does not apply it yet"
    REFUSES = "refuses", "refuses it: it has heard a later one"
    SILENT = "silent", "says nothing any more"
    ENDED = "ended", "has ended"
