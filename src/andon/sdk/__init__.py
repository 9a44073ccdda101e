"""What runs in other people's processes: tells Andon what a check of theirs has found.

    from andon.sdk import report

    report(snapshot, system="credit-scorer", url="https://andon.example.org/intake/generic/pipelines", token="…")

It takes an Evidently snapshot, a NannyML result, or the result file of dbt, Great Expectations or Soda, and sends plain
JSON to an integration of the kind *Plain JSON*. And a service counts what it decides, for a watch to look at:

    from andon.sdk import connect, count

    connect(url="https://andon.example.org", token="…")
    count("credit-scorer", error=failed, segment={"region": "EU"})

It stands alone: no Django, nothing of the rest of Andon, httpx only.
Nothing it does raises into the caller's pipeline unless asked to: a monitor must not break what it watches.
"""

from andon.sdk.counting import Counter, connect, count, flush
from andon.sdk.findings import Finding
from andon.sdk.reading import NotRecognised, read
from andon.sdk.reporting import Outcome, report
from andon.sdk.sending import NotTaken

__all__ = [
    "Counter",
    "Finding",
    "NotRecognised",
    "NotTaken",
    "Outcome",
    "connect",
    "count",
    "flush",
    "read",
    "report",
]
