"""Segments of a watch, as rows name them."""

import json


def segment_key(values: tuple[str | None, ...]) -> str:
    """How a segment is written in a row: a JSON list of its values, in the order of the watch's columns."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
