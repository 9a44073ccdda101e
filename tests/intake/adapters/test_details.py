"""For a detail no page is lost: every place of every sample is filled with what cannot be meant there.

What may refuse a whole request is listed here, with why it must: nobody could tell what it is about, or whether it
fires or has ended; or the sender's own API says that it is refused.
"""

import msgspec
import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request
from tests.intake.adapters.test_every_adapter import places, put

NONSENSE = [..., None, 7, 1.5, True, [], [1], {}, {"a": {"b": 1}}, "", "28/11/2026", "x" * 5_000]

NEEDED = {
    "alertmanager": {
        "alerts": "the alerts",
        "alerts.*": "it is the only one of its body",
        "alerts.*.labels": "what it is about",
        "alerts.*.status": "whether it fires",
    },
    "azure": {
        "schemaId": "other forms have other fields",
        "data": "the alert", "data.essentials": "the alert",
        "data.essentials.alertId": "what it is about",
        "data.essentials.monitorCondition": "whether it fires",
    },
    "datadog": {"cycle_key": "what it is about", "transition": "whether it fires"},
    "gcp": {
        "incident": "the alert", "incident.incident_id": "what it is about", "incident.state": "whether it fires",
    },
    "langfuse": {
        "type": "an alert or a change",
        "payload": "the alert", "payload.monitorId": "what it is about", "payload.severity": "whether it fires",
        # A change, which pages nobody.
        "id": "what tells one from its double", "action": "what was changed", "prompt": "the same",
        "prompt.id": "the same", "prompt.name": "the same", "prompt.version": "the same",
    },
    "langsmith": {"alert_rule_id": "what it is about"},
    "mlflow": {
        "entity": "an alert or a change", "action": "what was changed", "data": "the same", "data.name": "the same",
        "data.budget_policy_id": "what it is about",
    },
    "opsgenie": {"message": "its API refuses it, too", "alias": "the same, of one that is too long"},
    "pagerduty": {
        "event_action": "whether it fires",
        "payload": "its API refuses it, too", "payload.summary": "the same",
        "dedup_key": "the same, of one that is too long; and what an end is about",
    },
    "sentry": {
        "action": "whether it fires", "data": "the alert",
        "data.event": "the alert", "data.event.issue_id": "what it is about",
        "data.issue": "the alert", "data.issue.id": "what it is about",
        "data.metric_alert": "the alert", "data.metric_alert.alert_rule": "what it is about",
        "data.metric_alert.alert_rule.id": "what it is about",
    },
}  # fmt: skip
NEEDED["grafana"] = NEEDED["alertmanager"]


def spelt(path):
    return ".".join("*" if isinstance(key, int) else key for key in path)


@pytest.mark.parametrize("kind", sorted(NEEDED))
def test_what_cannot_be_meant_refuses_nothing_but_where_it_must(kind):
    refused = {}
    for name, request in samples(kind).items():
        body = msgspec.json.decode(request.body)
        for path in places(body):
            for odd in NONSENSE[1:] if not path else NONSENSE:
                changed = msgspec.json.encode(put(body, path, odd))
                try:
                    adapters()[kind].parse(Request(changed, request.headers), {})
                except Malformed as error:
                    refused.setdefault(spelt(path), []).append((name, odd, error.what))
    assert set(refused) - {""} == set(NEEDED[kind]), refused
