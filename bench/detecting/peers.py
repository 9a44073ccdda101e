"""What river's detectors do on the same streams: run in the environment that `make peers` made, prints JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from river import drift
from river.drift import binary

from bench.detecting.streams import JUMP, RAMP, RATES, REFERENCE, Change, Floats, daily, quiet

Make = Callable[[], Any]

AS_SHIPPED: dict[str, Make] = {
    "ADWIN": drift.ADWIN,
    "DDM": binary.DDM,
    "HDDM_W": binary.HDDMW,
    "FHDDM": binary.FHDDM,
    "Page-Hinkley": drift.PageHinkley,
}
TUNED: dict[str, Make] = {"ADWIN tuned": lambda: drift.ADWIN(delta=0.65)}
"""By hand, so that it raises a false alarm in about 10,000 at a rate of 5%."""
SLOW: dict[str, Make] = {"KSWIN": lambda: drift.KSWIN(seed=1)}
"""2,600 observations a second: fewer runs."""
ON_DAYS: dict[str, Make] = {
    "ADWIN": drift.ADWIN,
    "Page-Hinkley": drift.PageHinkley,
    "KSWIN": lambda: drift.KSWIN(window_size=56, stat_size=14, seed=1),
}


def alarms(make: Make, values: Floats, most: int | None = None) -> list[int]:
    """Where it says that there is drift, made anew after each."""
    found, detector = [], make()
    for at, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            found.append(at)
            if len(found) == most:
                break
            detector = make()
    return found


def waits(make: Make, change: Change, runs: int) -> tuple[list[int], int]:
    """Observations from the change to the alarm, in runs without an earlier one; and how many runs there were."""
    found = []
    for seed in range(runs):
        at = next(iter(alarms(make, change.bits(seed), 1)), change.length)
        if at >= change.begin:
            found.append(at - change.begin + 1)
    return found, runs


def main() -> None:
    """Measure and print."""
    quick = "--quick" in sys.argv
    length, runs = (100_000, 20) if quick else (400_000, 150)
    measured: dict[str, Any] = {"arl": {}, "delays": {}, "speed": {}, "daily": {}}
    for name, make in (AS_SHIPPED | TUNED).items():
        measured["arl"][name] = {str(rate): len(alarms(make, quiet(rate, length, 3))) for rate in RATES}
        measured["delays"][name] = [waits(make, change, runs) for change in (JUMP, RAMP)]
    for name, make in {} if quick else SLOW.items():
        measured["delays"][name] = [waits(make, change, 5) for change in (JUMP, RAMP)]
    for name in ("ADWIN", "DDM", "Page-Hinkley"):
        detector, values = AS_SHIPPED[name](), quiet(0.05, 200_000, 1).tolist()
        began = time.process_time()
        for value in values:
            detector.update(value)
        measured["speed"][name] = len(values) / (time.process_time() - began)
    for name, make in ON_DAYS.items():
        measured["daily"][name] = _daily(make, 10 if quick else 100)
    print("\x1e" + json.dumps(measured | {"length": length}))


def _daily(make: Make, watches: int) -> dict[str, Any]:
    """River's detectors take the raw metric from the first day of the reference on."""
    false = sum(sum(at >= REFERENCE for at in alarms(make, daily(REFERENCE + 365, seed))) for seed in range(watches))
    begin = REFERENCE + 60
    found = []
    for seed in range(watches):
        values = daily(begin + 60, 10_000 + seed, step=0.01, begin=begin)
        found.append(next((at - begin + 1 for at in alarms(make, values) if at >= begin), None))
    return {"false": false / (watches * 365) * 1e5, "waits": found}


if __name__ == "__main__":
    main()
