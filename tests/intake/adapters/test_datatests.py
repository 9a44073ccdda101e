"""Result files of data tests, sent as they are."""

import json

import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request


def parse(body, settings=None, **query):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return adapters()["datatests"].parse(Request(raw, query=query), settings or {}).events


def sample(name):
    return samples("datatests")[name].body


def test_dbt():
    failed, warned, passed = parse(sample("dbt.json"), system="credit-scorer", url="https://ci.example.org/7")
    assert (failed.status, failed.severity_hint, failed.system_hint) == ("firing", 3, "credit-scorer")
    assert failed.title == "dbt test not_null_applications_income fails"
    assert failed.description == "Got 42 results, configured to fail if != 0"
    assert failed.fingerprint == "credit-scorer/dbt/test.bank.not_null_applications_income.8f8f8a3b1c"
    assert failed.url == "https://ci.example.org/7"
    assert (warned.status, warned.severity_hint) == ("firing", 4)
    assert (passed.status, passed.passing) == ("resolved", True)
    assert {event.episode for event in (failed, warned, passed)} == {"2026-03-02T02:05:00.123456+00:00"}


def test_great_expectations_without_the_values_it_found():
    failed, passed = parse(sample("great-expectations.json"))
    assert failed.title == "expect_column_values_to_not_be_null of income does not hold in applications"
    assert failed.description == "element_count 1000, unexpected_count 42, unexpected_percent 4.2"
    assert (failed.status, passed.status, failed.system_hint) == ("firing", "resolved", "")


def test_soda():
    ran, failed, passed = parse(sample("soda.json"), {"severity": "S2"})
    assert (ran.title, ran.passing) == ("Soda scan nightly ran", True)
    assert (failed.title, failed.description) == (
        "missing_count(income) = 0 (applications.income) fails",
        "Measured: 42.0",
    )
    assert (failed.status, failed.severity_hint, passed.status) == ("firing", 2, "resolved")


@pytest.mark.parametrize(
    ("body", "settings", "words"),
    [
        ({}, {}, "no result of"),
        ({"results": []}, {}, "nothing ran"),
        ({"results": [{"id": 1}]}, {}, "no result of"),
        (b"[]", {}, "Expected `object`"),
        (b"{", {}, "not JSON"),
    ],
)
def test_anything_else_is_refused_in_words(body, settings, words):
    with pytest.raises(Malformed, match=words):
        parse(body, settings)


def test_a_label_that_is_a_list_loses_no_result():
    body = json.loads(sample("dbt.json"))
    body["results"][0]["failures"] = [1]
    assert [event.labels.get("failures") for event in parse(body)].count("[1]") == 1
