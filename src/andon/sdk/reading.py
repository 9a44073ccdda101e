"""What is it? A result of which library, recognised by its shape, as findings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from andon.sdk import datatests, evidently, nannyml
from andon.sdk.findings import Finding

LARGEST = 64 * 1024 * 1024  # bytes of a file that is read

_SHAPES = (
    (evidently.is_snapshot, evidently.from_snapshot),
    (datatests.is_dbt, datatests.from_dbt),
    (datatests.is_great_expectations, datatests.from_great_expectations),
    (datatests.is_soda, datatests.from_soda),
)


class NotRecognised(ValueError):  # noqa: N818  reads as what it is
    """Nothing that this knows how to read."""


def read(source: Any) -> list[Finding]:
    """The findings in a result.

    Args:
        source: An Evidently snapshot; a NannyML result; the result of dbt, Great Expectations or Soda as a dictionary,
            as an object with `to_json_dict()`, or as the path of its JSON file.

    Raises `NotRecognised`, and `OSError` for a file that cannot be read.
    """
    if nannyml.is_result(source):
        return list(nannyml.from_result(source))
    document = _document(source)
    for fits, findings in _SHAPES:
        if fits(document):
            return list(findings(document))
    raise NotRecognised(
        "This is no result of Evidently, NannyML, dbt, Great Expectations or Soda, or one in which nothing ran. "
        f"It has: {', '.join(sorted(map(str, document))[:12]) or 'nothing'}."
    )


def _document(source: Any) -> Mapping[str, Any]:
    if isinstance(source, str | Path):
        return _parsed(_text(Path(source)))
    if isinstance(source, Mapping):
        return source
    if isinstance(runs := getattr(source, "run_results", None), Mapping):  # a checkpoint of Great Expectations
        return {"run_results": {str(name): _document(run) for name, run in runs.items()}}
    for name in ("to_json_dict", "json"):  # Great Expectations; Evidently
        if callable(make := getattr(source, name, None)):
            return _parsed(make())
    raise NotRecognised(f"Give a result, a dictionary or a path, not {type(source).__name__}.")


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise NotRecognised(f"{path} has more than {LARGEST} bytes.")
    return path.read_text(encoding="utf-8")


def _parsed(text: Any) -> Mapping[str, Any]:
    if isinstance(text, str | bytes):
        try:
            text = json.loads(text)
        except ValueError as error:
            raise NotRecognised(f"This is not JSON: {error}.") from error
    if not isinstance(text, Mapping):
        raise NotRecognised("This is JSON, but no object.")
    return text
