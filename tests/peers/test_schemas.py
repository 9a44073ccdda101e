"""The JSON Schemas of a handbook's files, read by an implementation of the standard that is not ours."""

import json
from typing import Any

import pytest
import yaml

from andon.handbook.book import texts_of
from andon.handbook.files import schemas
from andon.handbook.source import shipped
from tests.support.peers import needs, run

pytestmark = [pytest.mark.heavy, needs("checks", "json schema")]

VALIDATE = """
from jsonschema import Draft202012Validator as Validator
for schema in schemas.values():
    Validator.check_schema(schema)
result = {
    file: [error.message for error in Validator(schemas[kind]).iter_errors(json.loads(text))]
    for file, (kind, text) in files.items()
}
"""
NAMES = "# yaml-language-server: $schema="


def test_what_ships_is_valid_by_the_schema_that_it_names_and_a_mistake_is_not():
    files: dict[str, Any] = {}
    for file, text in texts_of(shipped()).items():
        if text.startswith(NAMES):
            kind = text.splitlines()[0].rpartition("/")[2].removesuffix(".json")
            files[file] = (kind, json.dumps(yaml.safe_load(text), default=str))
    kind, text = files["severity.yaml"]
    files["wrong"] = (kind, text.replace("15 min", "soon", 1))
    wrong = run("checks", VALIDATE, schemas=schemas(), files=files)
    assert len(wrong) == 16
    assert [file for file, errors in wrong.items() if errors] == ["wrong"]
