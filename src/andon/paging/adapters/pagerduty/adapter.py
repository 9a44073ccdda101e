"""Pages to PagerDuty by the Events API v2, and what becomes of the incident in Andon.

All pages of an incident carry one `dedup_key`, the incident's address in Andon, so that they are one incident there,
and a page that is sent twice is none the more. Format: developer.pagerduty.com, "Send an event".
"""

import json
from typing import Any

from andon.kit import clock, outbound
from andon.paging.answers import judge
from andon.paging.channel import Destination, Outcome, Receipt
from andon.paging.message import About, Message
from andon.paging.mirrored import Stands

_SEVERITY = {"S1": "critical", "S2": "critical", "S3": "error", "S4": "warning", "S5": "info"}
_LONGEST_SUMMARY = 1024
_DEADLINE = 20.0
"""Seconds for all events of a message: less than the lease on a page."""
_EVENT = {Stands.ACKNOWLEDGED: "acknowledge", Stands.RESOLVED: "resolve"}


class Adapter:
    """The channel; it also keeps PagerDuty's incidents in step (see `andon.paging.mirrored`)."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """Trigger: open the incident there, or add to it; one after the other for a message about several."""
        ends = clock.monotonic() + _DEADLINE
        receipt = Receipt.sent()
        for event in _triggers(message):
            receipt = _enqueue(event, destination, ends - clock.monotonic())
            if receipt.outcome is not Outcome.SENT:
                break  # what went before is sent again with the rest, and changes nothing there
        return receipt

    def mirror(self, url: str, stands: Stands, destination: Destination) -> Receipt:
        """Acknowledge or resolve there what is so here; once more changes nothing."""
        return _enqueue({"event_action": _EVENT[stands], "dedup_key": url}, destination)


def _enqueue(event: dict[str, Any], destination: Destination, deadline: float = outbound.DEADLINE) -> Receipt:
    if deadline <= 0:
        return Receipt.retry("PagerDuty was too slow to take all of it.")
    body = json.dumps({"routing_key": destination.address, **event}, ensure_ascii=False).encode()
    url = destination.settings["server"] + "/v2/enqueue"
    headers = {"Content-Type": "application/json"}
    within = min(deadline, outbound.DEADLINE)
    return judge("PagerDuty", lambda: outbound.post(url, body, headers, deadline=within), mine=False)


def _triggers(message: Message) -> list[dict[str, Any]]:
    first = _trigger(message, message.subject, message.link, message.about)
    return [first, *(_trigger(message, one.headline, one.link, one.about) for one in message.also)]


def _trigger(message: Message, summary: str, link: str, about: About | None) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "summary": " ".join(summary.split())[:_LONGEST_SUMMARY],
        "source": about.system if about else "Andon",
        "severity": _SEVERITY[about.severity] if about else "info",
        "timestamp": message.at.isoformat(),
        "custom_details": {"to": message.to, "why": message.why, "first": list(message.first), "link": link},
    }
    if about:
        payload |= {"class": about.type, "component": about.ref}
    return {
        "event_action": "trigger",
        "dedup_key": about.url if about else message.key,
        "payload": payload,
        "links": [{"href": link, "text": message.link_label}],
        "client": "Andon",
        "client_url": about.url if about else link,
    }
