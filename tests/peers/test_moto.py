"""moto plays Amazon: topics, subscriptions and deliveries over HTTP, as boto3 asks for them.

moto signs nothing, so its messages are turned away as they are; signed by a key of the test, whose certificate a
listener serves as SNS's host would, the very same messages are taken.
"""

import json

import pytest

from andon.intake.actions import create_integration
from andon.intake.adapters import adapters, samples
from andon.intake.adapters.sns.envelope import Certificates
from andon.intake.models import Delivery, Signal
from andon.people.policy import Actor
from tests.intake.test_asgi import ask, post
from tests.support import peers, sns
from tests.support.listener import listening

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(240),
    pytest.mark.django_db(transaction=True),
    peers.needs("moto", "moto's SNS"),
]

PUBLISH = """
import boto3
client = boto3.client("sns", endpoint_url=endpoint, region_name="eu-central-1")
topic = client.create_topic(Name="andon")["TopicArn"]
client.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
for message in messages:
    client.publish(TopicArn=topic, Message=json.dumps(message), Subject="ALARM")
result = topic
"""


def test_what_a_topic_delivers_is_taken_once_it_is_signed(amazon, monkeypatch):
    integration, token = create_integration(slug="aws", name="AWS", kind="sns", by=Actor.operator())
    integration.token = token
    alarm, ok = (json.loads(samples("sns")[f"{name}.json"].body) for name in ("alarm", "ok"))
    with listening() as endpoint, listening() as listener:
        host = sns.Host(listener)
        monkeypatch.setattr(adapters()["sns"], "_certificates", Certificates(host.fetch))
        topic = peers.run("moto", PUBLISH, endpoint=amazon, url=f"{endpoint.url}/intake/sns/aws", messages=[alarm, ok])
        delivered = [json.loads(heard.body) for heard in endpoint.heard if b'"Notification"' in heard.body]
        assert [json.loads(message["Message"])["NewStateValue"] for message in delivered] == ["ALARM", "OK"]
        assert {message["TopicArn"] for message in delivered} == {topic}

        def deliver(message):
            body = json.dumps(message).encode()
            return ask(lambda app: post(app, integration, body, path="/intake/sns/aws"))[0].status

        assert [deliver(message) for message in delivered] in ([400, 400], [401, 401]), "moto's own signature is none"
        assert not Signal.objects.exists()

        said = [
            sns.signed({**message, "SigningCertURL": sns.CERTIFICATE_URL}, message["SignatureVersion"])
            for message in delivered
        ]
        assert deliver(said[0]) == 200
        assert Signal.objects.get().status == "firing"
        assert deliver(said[1]) == 200
        assert deliver(said[0]) == 200, "a late double"
        (signal,) = Signal.objects.all()
        assert (signal.status, signal.system_hint, signal.title) == (
            "resolved",
            "credit-scorer",
            "credit-endpoint-errors",
        )
        assert Delivery.objects.filter(outcome="accepted").count() == 3
        assert sum(heard.path in sns.CERTIFICATE_URL for heard in listener.heard) == 1, "one certificate, fetched once"
