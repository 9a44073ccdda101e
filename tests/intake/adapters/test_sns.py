"""Amazon SNS: signatures by certificates that a host on loopback serves, subscriptions, CloudWatch's alarms."""

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from andon.intake.adapters import samples
from andon.intake.adapters.sns.adapter import Adapter
from andon.intake.adapters.sns.envelope import REMEMBERED, Certificates, must_be_amazons
from andon.intake.events import Malformed, Request, Unsigned
from andon.kit import clock, outbound
from tests.support import sns
from tests.support.listener import listening

ALARM = json.loads(samples("sns")["alarm.json"].body)
RAW = {"x-amz-sns-rawdelivery": "true", "x-amz-sns-topic-arn": sns.TOPIC}


@pytest.fixture
def host():
    with listening() as listener:
        yield sns.Host(listener)


@pytest.fixture
def parse(host):
    adapter = Adapter(Certificates(host.fetch))
    return lambda message, settings=None: adapter.parse(Request(json.dumps(message).encode()), settings or {})


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [{}, {"Subject": "ALARM: credit-endpoint-errors"}])
def test_an_alarm_that_sns_signed(parse, version, subject):
    (event,) = parse(sns.signed(sns.notification(ALARM, **subject), version)).events
    assert (event.status, event.severity_hint, event.system_hint) == ("firing", 3, "credit-scorer")
    assert (event.fingerprint, event.episode) == (ALARM["AlarmArn"], "2026-03-02T02:05:00.611000+00:00")
    assert event.title == "credit-endpoint-errors"
    assert "Threshold Crossed" in event.description
    assert event.labels["EndpointName"] == "credit"
    assert event.url == (
        "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1"
        "#alarmsV2:alarm/credit-endpoint-errors"
    )


@pytest.mark.parametrize("field", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Signature"])
def test_nothing_that_is_signed_can_be_changed(parse, field):
    message = sns.signed(sns.notification(ALARM, Subject="s"))
    message[field] = "AAAA" + message[field][4:] if field == "Signature" else message[field] + " "
    with pytest.raises(Unsigned):
        parse(message)


def test_a_subject_cannot_be_slipped_in_and_a_version_not_swapped(parse):
    message = sns.signed(sns.notification(ALARM))
    for change in (
        {"Subject": "s"},
        {"SignatureVersion": "1"},
        {"Signature": "?"},
        {"Type": "UnsubscribeConfirmation"},
    ):
        with pytest.raises(Unsigned):
            parse({**message, **change})


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com.example.org/a.pem",
        "https://sns.eu-central-1.amazonaws.comexample.org/a.pem",
        "https://example.org/sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com@example.org/a.pem",
        "https://user@sns.eu-central-1.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/a.pem",
        "https://sns.eu.central.amazonaws.com/a.pem",
        "https://bucket.s3.amazonaws.com/a.pem",
        "https://sns.eu-central-1.amazonaws.com\n/a.pem",
        "https://[::1/a.pem",
        "ftp://sns.eu-central-1.amazonaws.com/a.pem",
        "",
    ],
)
def test_only_the_hosts_of_sns_are_asked(parse, host, url):
    with pytest.raises((Malformed, Unsigned)) as refused:
        parse(sns.signed(sns.notification(ALARM, SigningCertURL=url)))
    assert isinstance(refused.value, Malformed)
    assert refused.value.field == "SigningCertURL"
    with pytest.raises(Malformed) as refused:
        parse(sns.signed(sns.confirmation(SubscribeURL=url)))
    assert refused.value.field == "SubscribeURL"
    assert [heard.path for heard in host.listener.heard] == ["/SimpleNotificationService-0123456789abcdef.pem"]


@pytest.mark.parametrize("path", ["/", "/?Action=Publish&x=.pem", "/a.pem?x=1", "/a/b.pem", "/a.pem.txt"])
def test_a_certificate_is_a_file_of_sns_and_not_an_answer_of_its_api(parse, host, path):
    with pytest.raises(Malformed) as refused:
        parse(sns.signed(sns.notification(ALARM, SigningCertURL=f"https://sns.eu-central-1.amazonaws.com{path}")))
    assert refused.value.field == "SigningCertURL"
    assert host.listener.heard == []


def test_china_has_a_host_of_its_own():
    url = "https://sns.cn-north-1.amazonaws.com.cn/a.pem"
    assert must_be_amazons(url, "x") == url


def test_a_subscription_is_confirmed_at_the_address_that_sns_signed(parse):
    said = parse(sns.signed(sns.confirmation()))
    assert (said.confirm, said.events) == (sns.SUBSCRIBE_URL, [])
    with pytest.raises(Unsigned):
        parse({**sns.signed(sns.confirmation()), "SubscribeURL": sns.SUBSCRIBE_URL + "&x=1"})


def test_an_end_of_the_subscription_is_taken_and_not_undone(parse):
    said = parse(sns.signed(sns.confirmation(Type="UnsubscribeConfirmation")))
    assert (said.confirm, said.events) == ("", [])


def test_a_certificate_is_fetched_once_and_the_memory_is_bounded(host):
    adapter = Adapter(Certificates(host.fetch))
    for number in range(REMEMBERED + 2):
        message = sns.notification(ALARM, SigningCertURL=f"https://sns.eu-central-1.amazonaws.com/{number}.pem")
        for _ in range(2):
            adapter.parse(Request(json.dumps(sns.signed(message)).encode()), {})
    assert len(host.listener.heard) == REMEMBERED + 2
    assert len(adapter._certificates._known) == REMEMBERED


def test_a_certificate_that_is_over_vouches_for_nothing(host):
    host.pem = sns.certificate(begins=datetime(2020, 1, 1, tzinfo=UTC), days=10)
    adapter, body = Adapter(Certificates(host.fetch)), json.dumps(sns.signed(sns.notification(ALARM))).encode()
    with pytest.raises(Unsigned, match="not valid at this time"):
        adapter.parse(Request(body), {})
    with clock.use(clock.FixedClock(datetime(2020, 1, 5, tzinfo=UTC))):
        assert adapter.parse(Request(body), {}).events


def test_another_kind_of_key_and_no_certificate_at_all(host):
    body = json.dumps(sns.signed(sns.notification(ALARM))).encode()
    host.pem = sns.certificate(key=ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(Unsigned, match="no RSA key"):
        Adapter(Certificates(host.fetch)).parse(Request(body), {})
    host.pem = b"<html>"
    with pytest.raises(Unsigned, match="no certificate"):
        Adapter(Certificates(host.fetch)).parse(Request(body), {})


def test_a_host_that_is_down_is_no_proof_of_forgery(host):
    adapter, body = Adapter(Certificates(host.fetch)), json.dumps(sns.signed(sns.notification(ALARM))).encode()
    host.listener.always(503)
    with pytest.raises(outbound.Unreachable):
        adapter.parse(Request(body), {})
    host.listener.answer = lambda handler: host.listener.say(handler, 200, host.pem)
    assert adapter.parse(Request(body), {}).events, "and it is asked again"


def test_a_pinned_topic_takes_nothing_else(parse):
    settings = {"topic": sns.TOPIC}
    assert parse(sns.signed(sns.notification(ALARM)), settings).events
    with pytest.raises(Unsigned, match="another topic"):
        parse(sns.signed(sns.notification(ALARM, TopicArn=sns.TOPIC + "2")), settings)
    with pytest.raises(Unsigned, match="Raw delivery"):
        Adapter().parse(Request(json.dumps(ALARM).encode(), RAW), settings)


def test_what_is_signed_is_judged_by_its_signature_whatever_a_header_says(host):
    adapter, message = Adapter(Certificates(host.fetch)), sns.signed(sns.notification(ALARM))
    assert adapter.parse(Request(json.dumps(message).encode(), RAW), {}).events
    with pytest.raises(Unsigned):
        adapter.parse(Request(json.dumps({**message, "Message": "x"}).encode(), RAW), {})


def alarm(**changes):
    return Adapter().parse(Request(json.dumps({**ALARM, **changes}).encode(), RAW), changes.pop("settings", {})).events


def test_states_in_raw_delivery():
    (fired,), (ended,) = alarm(), alarm(NewStateValue="OK", StateChangeTime="2026-03-02T03:05:00.611+0000")
    assert (fired.status, ended.status) == ("firing", "resolved")
    assert fired.fingerprint == ended.fingerprint
    assert fired.episode < ended.episode
    assert alarm(NewStateValue="INSUFFICIENT_DATA") == []


def test_no_data_fires_if_the_setting_says_so():
    body = json.dumps({**ALARM, "NewStateValue": "INSUFFICIENT_DATA"}).encode()
    (event,) = Adapter().parse(Request(body, RAW), {"no_data": "fires"}).events
    assert (event.status, event.severity_hint) == ("firing", 4)


def test_an_alarm_without_an_arn_is_known_by_its_name():
    (event,) = alarm(AlarmArn="", AlarmDescription=None, Trigger=None)
    assert (event.fingerprint, event.url, event.system_hint) == (
        "123456789012/EU (Frankfurt)/credit-endpoint-errors",
        "",
        "",
    )


@pytest.mark.parametrize(
    "text", ["Disk is full\nandon_system: credit-scorer", '{"detail": "andon_system=credit-scorer"}']
)
def test_any_other_message_is_a_signal_by_its_subject(parse, text):
    one, again, other = (
        parse(sns.signed(sns.notification(text, Subject=subject))).events[0] for subject in ("Disk", "Disk", "Memory")
    )
    assert (one.title, one.system_hint, one.status) == ("Disk", "credit-scorer", "firing")
    assert one.fingerprint == again.fingerprint != other.fingerprint


def test_without_a_subject_the_first_line_is_the_title():
    (event,) = Adapter().parse(Request(b"\n\nDisk is full\nmore", RAW), {}).events
    assert (event.title, event.description) == ("Disk is full", "\n\nDisk is full\nmore")


@pytest.mark.parametrize(
    ("body", "headers", "field"),
    [
        (b"{}", {}, "Type"),
        (b'{"Type": "Other"}', {}, "Type"),
        (json.dumps(sns.notification(ALARM)).encode(), {}, "Signature"),
        (json.dumps({**sns.signed(sns.notification(ALARM)), "SignatureVersion": "3"}).encode(), {}, "SignatureVersion"),
        (b'{"AlarmName": "a"}', RAW, "Message.NewStateValue"),
        (b'{"AlarmName": "a", "NewStateValue": "BAD"}', RAW, "Message.NewStateValue"),
        (b'{"AlarmName": [], "NewStateValue": "ALARM"}', RAW, "Message.AlarmName"),
        (b"\xff", RAW, ""),
    ],
)
def test_what_is_wrong_is_named(body, headers, field):
    with pytest.raises(Malformed) as refused:
        Adapter().parse(Request(body, headers), {})
    assert refused.value.field == field
