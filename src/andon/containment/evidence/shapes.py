"""What the API gives about evidence."""

from collections.abc import Mapping
from datetime import datetime

from ninja import Field, Schema

from andon.containment.evidence.models import Erasure, Item
from andon.containment.evidence.queries import Listed, erased
from andon.incidents.shapes import short
from andon.kit.shapes import Given
from andon.oncall.shapes import PersonShort


class ItemOut(Schema):
    """One thing: kept under its digest, or not, with the reason."""

    kind: str
    name: str
    source: str
    collected_at: datetime
    sha256: str = Field(description="Empty where it could not be collected.")
    size: int = Field(description="Bytes.")
    media: str
    rows: int | None
    notes: list[str] = Field(description="What was left out or cut.")
    why_missing: str
    sha256_left: str = Field(
        description="The digest of what can be taken along: `sha256`; another one where a person's rows were erased by "
        "right; empty where all of it was, or nothing was collected."
    )

    @classmethod
    def of(cls, row: Item, erased: Mapping[str, Erasure]) -> "ItemOut":
        """The item as the API says it; `erased` as of `queries.erased`."""
        plain = ("kind", "name", "source", "size", "media", "rows", "notes", "why_missing")
        left = erased[row.digest].remainder if row.digest in erased else row.digest
        said = {name: getattr(row, name) for name in plain}
        return cls(**said, collected_at=row.created_at, sha256=row.digest, sha256_left=left)


class PreservationOut(Schema):
    """One time that evidence was kept."""

    number: int
    why: str = Field(description="pull, hand or afterwards.")
    what_for: str
    by: PersonShort | None = Field(description="null where no person stood behind it.")
    began_at: datetime
    finished_at: datetime | None = Field(description="null while it goes on.")
    since: datetime = Field(description="The affected window begins.")
    until: datetime
    manifest: str = Field(description="SHA-256 of manifest.json, which the timeline holds too.")
    kept: list[ItemOut]
    missing: list[ItemOut]

    @classmethod
    def of(cls, found: Listed) -> "PreservationOut":
        """The preservation as the API says it."""
        row, gone = found.row, erased(one.digest for one in found.kept)
        return cls(
            number=row.number,
            why=row.why,
            what_for=row.what_for,
            by=short(row.by),
            began_at=row.created_at,
            finished_at=row.finished_at,
            since=row.since,
            until=row.until,
            manifest=row.manifest,
            kept=[ItemOut.of(one, gone) for one in found.kept],
            missing=[ItemOut.of(one, gone) for one in found.missing],
        )


class EraseIn(Given):
    """By which right something is erased: all of a thing, or the rows about one person."""

    reason: str
    column: str = Field("", description="Of kept decisions: the column that says whom a row is about. Empty = all.")
    value: str = Field("", description="The rows that have it in `column` go, the others stay. It is written nowhere.")


class VerifiedOut(Schema):
    """Whether the evidence is as it was kept."""

    intact: bool
    problems: list[str]
