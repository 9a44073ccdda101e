"""NannyML 0.13: the alerts of a result.

A result's flat frame has, for each column (or metric) and method, `…_value`, thresholds and `…_alert`; the last chunk
of the analysis period decides, for that is how things stand now. Nothing of NannyML or pandas is imported here.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from andon.sdk.findings import Finding, aware, instant

_ALERT = "_alert"


def is_result(source: Any) -> bool:
    """Whether it is a result of NannyML: it can be filtered by period and made into a frame."""
    return callable(getattr(source, "filter", None)) and callable(getattr(source, "to_df", None))


def from_result(result: Any) -> Iterator[Finding]:
    """One finding a column (or metric) and method."""
    frame = result.filter(period="analysis").to_df(multilevel=False)
    rows = frame.to_dict(orient="records")
    if not rows:
        return
    last = rows[-1]
    began, ended = _time(last.get("chunk_start_date")), _time(last.get("chunk_end_date"))
    for column in map(str, frame.columns):
        if not column.endswith(_ALERT):
            continue
        name = column.removesuffix(_ALERT)
        failing = _true(last[column])
        chunks = sum(_true(row[column]) for row in rows)
        yield Finding(
            key=f"nannyml/{name}",
            title=f"{name} {'is beyond its threshold' if failing else 'is within its thresholds'}",
            failing=failing,
            description=_figures(last, name, chunks, len(rows)),
            labels={
                "tool": "nannyml",
                "check": name,
                "chunk": str(last.get("chunk_key") or "") or None,
                "chunk_start": began.isoformat() if began else None,
                "chunk_end": ended.isoformat() if ended else None,
            },
            at=ended,
        )


def _figures(last: dict[str, Any], name: str, chunks: int, of: int) -> str:
    value = _number(last.get(f"{name}_value"))
    low, high = _number(last.get(f"{name}_lower_threshold")), _number(last.get(f"{name}_upper_threshold"))
    limits = " and ".join(
        text for text in (f"at least {low}" if low else "", f"at most {high}" if high else "") if text
    )
    said = [f"Last chunk: {value}" + (f", expected {limits}" if limits else "")] if value else []
    return ". ".join([*said, f"{chunks} of {of} chunks alert"])


def _number(value: Any) -> str:
    """A figure in five digits; empty where there is none (a threshold not set, a value not a number)."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return ""
    number = float(value)
    return "" if number != number else f"{number:.5g}"  # noqa: PLR0124  NaN is the one that is not itself


def _true(value: Any) -> bool:
    """An alert as the frame has it: a bool of some library, or a missing value."""
    return value is not None and value == True  # noqa: E712  a library's own bool, and neither NaN nor NA


def _time(value: Any) -> datetime | None:
    """A chunk's time: a timestamp of pandas is a datetime; text is read; a missing one (NaT) is none."""
    if isinstance(value, str):
        return instant(value)
    return aware(value) if isinstance(value, datetime) and value == value else None  # noqa: PLR0124  NaT is not itself
