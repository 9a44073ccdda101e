"""The handbook over the API: what is in force, and how it came to be. It is written by `andon handbook apply`."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema

from andon.handbook import queries
from andon.handbook.models import Application
from andon.handbook.policy import access_application, must_view
from andon.people.api_auth import caller
from andon.practice.protocol import Prescription
from andon.practice.severity import Severity
from andon.practice.words import IncidentType

router = Router(tags=["handbook"])

READ = "handbook:read"


class ApplicationOut(Schema):
    """A handbook that was applied."""

    number: int
    digest: str
    at: datetime
    by: str = Field(
        description="Who applied it: a person's name, or “operator” and their account for the command line."
    )
    note: str
    changes: list[str] = Field(description="What it changed against the one before, in words.")

    @classmethod
    def of(cls, row: Application) -> "ApplicationOut":
        """The row as the API says it."""
        return cls(
            number=row.number,
            digest=row.edition.digest,
            at=row.created_at,
            by=row.who,
            note=row.note,
            changes=row.changes,
        )


class PrescriptionOut(Schema):
    """What is prescribed for an incident of a type at a severity."""

    type: str
    severity: str
    acknowledge: str
    contain: str | None
    first_words: list[dict[str, str | None]] = Field(description="Who is told first (`to`), and `within` what time.")
    roles: list[str]
    levers: list[str] = Field(description="The kinds of levers to look for, the best first.")
    approval: str = Field(description="Whose word it takes to pull one.")
    runbooks: list[str]
    duties: list[dict[str, str]]
    review: dict[str, Any] | None
    steps: list[dict[str, Any]]

    @classmethod
    def of(cls, found: Prescription) -> "PrescriptionOut":
        """The prescription as the API says it."""
        asks, targets = found.asks, found.targets
        return cls(
            type=found.type,
            severity=found.severity.name,
            acknowledge=targets.acknowledge.text,
            contain=targets.contain.text if targets.contain else None,
            first_words=[
                {"to": word.audience, "within": word.within.text if word.within else None}
                for word in targets.first_communication
            ],
            roles=list(asks.roles),
            levers=list(asks.levers),
            approval=asks.approval,
            runbooks=list(asks.runbooks),
            duties=[
                {
                    "key": duty.key,
                    "what": duty.what,
                    "to": duty.to,
                    "clock": duty.clock,
                    "within": duty.within.text,
                    "when": duty.when,
                }
                for duty in asks.duties
            ],
            review={"within": asks.review.within.text, "signs": list(asks.review.signs)} if asks.review else None,
            steps=[
                {"key": step.key, "phase": step.phase, "title": step.title, "optional": step.optional}
                for step in found.steps
            ],
        )


class HandbookOut(Schema):
    """The handbook in force."""

    title: str
    digest: str
    application: ApplicationOut | None = Field(description="How it came into force; null for the shipped one.")
    prescriptions: list[PrescriptionOut] = Field(description="One for each type at each severity.")


@router.get("", response=HandbookOut)
def get_handbook(request: HttpRequest) -> Any:
    """Read the handbook in force: what is prescribed for each type at each severity."""
    must_view(caller(request, READ))
    found, newest = queries.in_force(), queries.newest_application()
    return HandbookOut(
        title=found.about.title,
        digest=found.digest,
        application=ApplicationOut.of(newest) if newest else None,
        prescriptions=[
            PrescriptionOut.of(found.prescription(type_, severity)) for type_ in IncidentType for severity in Severity
        ],
    )


@router.get("/applied", response=list[ApplicationOut])
def list_applied(request: HttpRequest) -> Any:
    """List the handbooks that were applied, the newest first; a hundred at most."""
    return [ApplicationOut.of(row) for row in queries.history(caller(request, READ))[:100]]


@router.get("/applied/{int:number}", response=ApplicationOut)
def get_applied(request: HttpRequest, number: int) -> Any:
    """Read one handbook that was applied."""
    return ApplicationOut.of(access_application(caller(request, READ), number))
