"""Which systems a list shows: the same words in the address of the page and of the API."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from andon.kit.errors import Invalid
from andon.practice.words import Criticality, RiskClass, Stage, Word
from andon.registry.models import System

_WORDS: dict[str, type[Word]] = {"stage": Stage, "criticality": Criticality, "risk_class": RiskClass}


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFilter:
    """What a system must match; empty matches everything. `q` looks into name, short name and purpose.

    `owner` is an e-mail address, `team` a short name.
    """

    q: str = ""
    stage: str = ""
    criticality: str = ""
    risk_class: str = ""
    owner: str = ""
    team: str = ""

    def of(self, rows: QuerySet[System]) -> QuerySet[System]:
        """The matching rows; `Invalid` for a word that is none."""
        for field, words in _WORDS.items():
            value = getattr(self, field)
            if not value:
                continue
            if value not in {word.value for word in words}:
                raise Invalid(f"{value!r} is none of {', '.join(words)}.", field=field)
            rows = rows.filter(**{field: value})
        if self.q:
            rows = rows.filter(Q(name__icontains=self.q) | Q(slug__icontains=self.q) | Q(purpose__icontains=self.q))
        if self.owner:
            rows = rows.filter(owner__email__iexact=self.owner)
        return rows.filter(team__slug=self.team) if self.team else rows
