"""Azure's common alert schema."""

import json

import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request

FIRED = json.loads(samples("azure")["fired.json"].body)


def parse(body):
    return adapters()["azure"].parse(Request(json.dumps(body).encode()), {}).events[0]


def changed(**essentials):
    return {**FIRED, "data": {**FIRED["data"], "essentials": {**FIRED["data"]["essentials"], **essentials}}}


def test_it_fires_and_is_resolved_under_one_id_in_one_episode():
    fired, ended = (parse(json.loads(samples("azure")[f"{name}.json"].body)) for name in ("fired", "resolved"))
    assert (fired.status, ended.status) == ("firing", "resolved")
    assert (fired.fingerprint, fired.episode) == (ended.fingerprint, ended.episode)
    assert fired.episode.startswith("2026-03-02T02:05:24.371321")
    assert (fired.title, fired.severity_hint) == ("Scoring endpoint fails", 2)
    assert (fired.system_hint, fired.type_hint) == ("credit-scorer", "performance_degradation")
    assert "workspaces/credit" in fired.labels["targets"]


@pytest.mark.parametrize(("level", "severity"), [(f"Sev{n}", n + 1) for n in range(5)])
def test_five_levels_in_the_same_order(level, severity):
    assert parse(changed(severity=level)).severity_hint == severity


def test_a_property_overrules_the_level():
    assert parse({**FIRED, "data": {**FIRED["data"], "customProperties": {"andon_severity": "S1"}}}).severity_hint == 1


def test_without_a_link_of_its_own_it_leads_to_the_alert():
    event = parse(changed(investigationLink=None))
    assert event.url.startswith("https://portal.azure.com/")
    assert "b9569717-bc32-442f-add5-83a997729330" in event.url


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "schemaId"),
        ({"schemaId": "AzureMonitorMetricAlert", "data": {}}, "schemaId"),
        ({"schemaId": "azureMonitorCommonAlertSchema", "data": {}}, "data.essentials"),
        (changed(monitorCondition="Maybe"), "data.essentials.monitorCondition"),
        (changed(alertId=None), "data.essentials.alertId"),
    ],
)
def test_what_is_wrong_is_named(body, field):
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert refused.value.field == field
