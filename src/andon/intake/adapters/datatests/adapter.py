"""Results of data tests as they come: a CI job sends the file, and nothing more is needed.

dbt's `run_results.json`, validation results of Great Expectations, scans of Soda, and snapshots of Evidently, each
recognised by its shape and read by the same code that the SDK uses (`andon.sdk`). What fails fires, what passes ends
what fired before. A setting says how bad a failure is.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from andon.intake.adapters.generic.adapter import event_of
from andon.intake.decoding import decode, plain
from andon.intake.events import Field, Malformed, Request, Said, Sender
from andon.sdk.findings import SEVERITIES, signals
from andon.sdk.reading import NotRecognised, read

_decoder = msgspec.json.Decoder(dict[str, Any])


class Adapter(Sender):
    """Result files of data tests."""

    kind = "datatests"
    title = "Data tests"
    line = "Result files of dbt, Great Expectations, Soda and Evidently, sent as they are."
    fields = (
        Field(
            "severity",
            "Severity",
            "How bad it is when a test fails. What the tool itself calls a warning is at most S4.",
            choices=(("", "S3, as usual"), *((level, level) for level in SEVERITIES)),
        ),
    )

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:
        """One event a test that ran."""
        severity = settings.get("severity") or "S3"
        try:
            found = read(decode(_decoder, request.body))
        except NotRecognised as error:
            raise Malformed(str(error)) from error
        system = request.query.get("system", "")
        said = signals(found, system=system, severity=severity, link=request.query.get("url", ""))
        for signal in said:
            signal["labels"] = {
                name: plain(value) for name, value in signal["labels"].items()
            }  # whatever a tool writes
        return Said([event_of(signal, f"[{position}]") for position, signal in enumerate(said)])
