"""Amazon SNS: CloudWatch alarms, and any other message of a topic.

Whether a message is SNS's own is judged in `envelope`. Any customer of Amazon can have SNS sign a message of theirs,
so beside the signature the token in the address is demanded, and the topic can be pinned by its name.

| CloudWatch's state | read as |
|---|---|
| `ALARM` | fires, S3 |
| `OK` | ends |
| `INSUFFICIENT_DATA` | nothing, or S4 if the setting says so: no data is no proof of health, and no alarm by itself |

The time of the change of state is the episode, so a change that SNS brings twice counts once. It is of this very change
and by CloudWatch's clock, so it goes along as that (`Event.at`): SNS keeps no order and may bring an alarm after its
own end, which is another change at another time; being the older one, it opens nothing.

A message that is no CloudWatch alarm becomes a signal by its subject. A text that holds `andon_system: credit-scorer`
names the system (also `andon_type`, `andon_severity`): in an alarm, its description.

With raw delivery SNS sends the message alone, without a signature: it is taken on the token's word, unless a topic is
pinned.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from andon.intake.adapters.sns.envelope import Certificates, Envelope, must_be_amazons
from andon.intake.decoding import Key, decode
from andon.intake.events import Event, Field, Malformed, Request, Said, Sender, Unsigned, event
from andon.intake.forgiving import fit
from andon.intake.naming import change_at, instant, labels_of, plain, severity_in, system_in, type_in, words_in
from andon.practice.grouping import SignalStatus


class Dimension(msgspec.Struct):
    """One dimension of a metric."""

    name: str
    value: Any = ""


class Trigger(msgspec.Struct, rename="pascal"):
    """What the alarm measures."""

    metric_name: str | None = None
    namespace: str | None = None
    threshold: float | None = None
    dimensions: list[Dimension] | None = None


class Alarm(msgspec.Struct, rename="pascal"):
    """A CloudWatch alarm that changed its state."""

    alarm_name: Key
    new_state_value: Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
    state_change_time: str = ""
    alarm_description: str | None = None
    alarm_arn: str = ""
    new_state_reason: str = ""
    region: str = ""
    aws_account_id: str = msgspec.field(default="", name="AWSAccountId")
    trigger: Trigger | None = None


_envelope = msgspec.json.Decoder(Envelope)


class Adapter(Sender):
    """SNS subscriptions over https.

    Args:
        certificates: Where SNS's certificates come from.
    """

    kind = "sns"
    title = "Amazon SNS and CloudWatch"
    line = "CloudWatch alarms and other messages of a topic, signed by SNS."
    group = "Clouds"
    blocking = True
    proving = ("topic",)
    fields = (
        Field("topic", "Topic", "Its ARN. If given, only messages that SNS signed for this topic are taken."),
        Field(
            "no_data",
            "An alarm without enough data",
            "CloudWatch's INSUFFICIENT_DATA.",
            choices=(("", "Says nothing"), ("fires", "Fires, as S4")),
        ),
    )

    def __init__(self, certificates: Certificates | None = None) -> None:
        self._certificates = certificates or Certificates()

    def check(self, options: Mapping[str, str]) -> None:
        """A topic must be an ARN, or nothing would ever fit it."""
        topic = options.get("topic", "")
        if topic and not re.fullmatch(r"arn:aws[\w-]*:sns:[a-z0-9-]+:\d{12}:[\w.-]+", topic):
            raise Malformed("An ARN looks like arn:aws:sns:eu-central-1:123456789012:andon", field="topic")

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:
        """At most one event; or the address by which a subscription is confirmed."""
        pinned = settings.get("topic", "")
        if _is_raw(request):
            if pinned:
                raise Unsigned("Raw delivery carries no signature, and this integration's topic is pinned.")
            return _said(_utf8(request.body), "", request.headers.get("x-amz-sns-topic-arn", ""), settings)
        heard = decode(_envelope, request.body)
        if pinned and heard.topic_arn != pinned:
            raise Unsigned("The message is of another topic than this integration's.")
        self._certificates.verify(heard)
        if heard.type == "SubscriptionConfirmation":
            return Said(confirm=must_be_amazons(heard.subscribe_url or "", "SubscribeURL"))
        if heard.type == "UnsubscribeConfirmation":
            return Said()
        return _said(heard.message, heard.subject or "", heard.topic_arn, settings)


def _is_raw(request: Request) -> bool:
    """Whether the message came alone. What is wrapped and signed is judged as that, whatever a header says."""
    return (
        request.headers.get("x-amz-sns-rawdelivery", "").lower() == "true" and b'"SigningCertURL"' not in request.body
    )


def _utf8(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8.") from error


def _said(message: str, subject: str, topic: str, settings: Mapping[str, Any]) -> Said:
    try:
        inside = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError):
        inside = None  # a text
    if isinstance(inside, dict) and "AlarmName" in inside:
        return _of_alarm(fit(inside, Alarm, at="Message"), topic, settings)
    return Said([_of_text(message, subject, topic)])


def _of_alarm(said: Alarm, topic: str, settings: Mapping[str, Any]) -> Said:
    if said.new_state_value == "INSUFFICIENT_DATA" and settings.get("no_data") != "fires":
        return Said()
    changed = instant(said.state_change_time)
    ends = said.new_state_value == "OK"
    named = words_in(said.alarm_description or "")
    measured = said.trigger or Trigger()
    dimensions = {dimension.name: plain(dimension.value) for dimension in measured.dimensions or []}
    own = labels_of(
        alarm=said.alarm_name, state=said.new_state_value, topic=topic, account=said.aws_account_id,
        region=said.region, metric=measured.metric_name, namespace=measured.namespace, threshold=measured.threshold,
    )  # fmt: skip
    level = {"ALARM": 3, "INSUFFICIENT_DATA": 4}.get(said.new_state_value)
    return Said([
        event(
            fingerprint=said.alarm_arn or f"{said.aws_account_id}/{said.region}/{said.alarm_name}",
            episode=change_at(changed, ends=ends),
            status=SignalStatus.RESOLVED if ends else SignalStatus.FIRING,
            title=said.alarm_name,
            description="\n\n".join(text for text in (said.alarm_description, said.new_state_reason) if text),
            url=_page(said),
            labels={**dimensions, **own},
            system_hint=system_in(named),
            type_hint=type_in(named),
            severity_hint=severity_in(named, level),
            starts_at=None if ends else changed,
            at=changed,
        )
    ])  # fmt: skip


def _page(said: Alarm) -> str:
    """The alarm's page in Amazon's console; the region's code stands in the ARN alone."""
    match said.alarm_arn.split(":"):
        case ["arn", "aws", "cloudwatch", region, *_] if region:
            where = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            return f"{where}#alarmsV2:alarm/{quote(said.alarm_name, safe='')}"
    return ""


def _of_text(message: str, subject: str, topic: str) -> Event:
    """A message in words: the same topic and subject (else the same words) is the same thing again."""
    named = words_in(message)
    title = subject or next((line for line in message.splitlines() if line.strip()), "A message without words")
    return event(
        fingerprint=sha256(f"{topic}\n{title}".encode()).hexdigest()[:32],
        status=SignalStatus.FIRING,
        title=title,
        description=message,
        labels=labels_of(topic=topic),
        system_hint=system_in(named),
        type_hint=type_in(named),
        severity_hint=severity_in(named, None),
    )
