"""moto plays Amazon to a running Andon: a topic, a subscription, its confirmation, certificates and deliveries.

What is real and what is not:

- Andon is a process of its own, told nothing of a test. It calls `https://sns.eu-central-1.amazonaws.com`, which is
  what it insists on, and that name leads to moto by a detour on loopback (`tests.support.detour`), over TLS.
- moto makes the topic and the subscription, delivers to Andon's own address what is published, signs it with a key of
  its own, serves the certificate of that key, and answers ConfirmSubscription for topics that it has.
- moto sends no SubscriptionConfirmation (its subscriptions are confirmed from the beginning) and looks at no token.
  So a relay here sends what Amazon would send, signed by a key of the test, whose certificate is served under
  Amazon's name as well; the address that it gives is called by Andon, and it is moto that answers.
- moto forgets the subject when it signs, so what has one is rightly refused; the relay sends it signed as Amazon does.
- moto's server tells services apart by who is named in a signed request, and requests for certificates and
  confirmations are not signed. The detour adds that head, and nothing else.
"""

import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from andon.intake.adapters import samples
from tests.support import peers, sns
from tests.support.detour import detour
from tests.support.listener import Listener, listening
from tests.support.processes import running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240), peers.needs("moto", "moto's SNS")]

HOST = "sns.eu-central-1.amazonaws.com"
OF_SNS = "AWS4-HMAC-SHA256 Credential=test/20260302/eu-central-1/sns/aws4_request, SignedHeaders=host, Signature=0"
CLIENT = 'import boto3\nclient = boto3.client("sns", endpoint_url=endpoint, region_name="eu-central-1")\n'
CREATE = CLIENT + 'result = client.create_topic(Name="andon")["TopicArn"]'
SUBSCRIBE = CLIENT + 'for url in urls: client.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)'
PUBLISH = CLIENT + "for message in messages: client.publish(TopicArn=topic, **message)"
DELETE = CLIENT + "client.delete_topic(TopicArn=topic)"
TOLD = "SELECT title, status, system_hint, count FROM intake_signal ORDER BY id"


def leads_to(amazon: str, host: Listener) -> list[tuple[str, httpx.Response]]:
    """Let moto answer as Amazon's host, but for the certificate of the relay; what it was asked and answered."""
    asked: list[tuple[str, httpx.Response]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if sns.CERTIFICATE_URL.endswith(handler.path):
            host.say(handler, 200, sns.certificate())
            return
        said = httpx.get(f"{amazon}{handler.path}", headers={"Host": HOST, "Authorization": OF_SNS}, timeout=30)
        asked.append((handler.path, said))
        host.say(handler, said.status_code, said.content)

    host.answer = answer
    return asked


def confirmation(topic: str) -> dict[str, str]:
    """What Amazon sends to an address that is subscribed, signed."""
    asks = urlencode({"Action": "ConfirmSubscription", "TopicArn": topic, "Token": "2336412f37"})
    return sns.signed(sns.confirmation(TopicArn=topic, Token="2336412f37", SubscribeURL=f"https://{HOST}/?{asks}"))


def test_a_running_andon_confirms_its_subscription_and_takes_what_moto_signs_and_delivers(amazon, tmp_path):
    alarm, ok = (samples("sns")[f"{name}.json"].body.decode() for name in ("alarm", "ok"))
    topic = peers.run("moto", CREATE, endpoint=amazon)
    with (
        listening() as relay,
        detour(tmp_path, HOST) as (host, settings),
        running_andon(tmp_path, engine=False, settings=settings) as andon,
    ):
        asked = leads_to(amazon, host)
        aws = andon.integration("sns", "aws", options={"topic": topic})
        address = f"{aws.url}?token={aws.token}"  # SNS sends no heads of one's own
        peers.run("moto", SUBSCRIBE, endpoint=amazon, topic=topic, urls=[address, relay.url])

        def moto_publishes(*messages: dict[str, str]) -> None:
            peers.run("moto", PUBLISH, endpoint=amazon, topic=topic, messages=messages)

        def relayed(message: dict[str, str]) -> int:
            return httpx.post(address, content=json.dumps(message), timeout=30).status_code

        assert relayed({**confirmation(topic), "Token": "another"}) == 401
        assert asked == []
        assert relayed(confirmation(topic)) == 200
        ((path, said),) = asked
        assert parse_qs(urlsplit(path).query) == {
            "Action": ["ConfirmSubscription"], "TopicArn": [topic], "Token": ["2336412f37"],
        }  # fmt: skip
        assert f"<SubscriptionArn>{topic}:" in said.text
        assert andon.sql(TOLD) == []

        moto_publishes({"Message": alarm})
        assert andon.sql(TOLD) == [("credit-endpoint-errors", "firing", "credit-scorer", 1)], andon.log("server")
        moto_publishes({"Message": ok})
        resolved = ("credit-endpoint-errors", "resolved", "credit-scorer", 1)
        assert andon.sql(TOLD) == [resolved]
        served = [said.content for path, said in asked if path.endswith(".pem")]
        assert [pem.startswith(b"-----BEGIN CERTIFICATE-----") for pem in served] == [True, True], (
            "moto has one for each"
        )

        heard = [json.loads(each.body) for each in relay.heard]
        assert relayed(heard[0]) == 200, "a late double"
        assert relayed({**heard[0], "Message": alarm.replace("credit-scorer", "fraud-scorer")}) == 401
        assert relayed({**heard[0], "SigningCertURL": f"{relay.url}/SimpleNotificationService-1.pem"}) == 400
        assert len(relay.heard) == len(heard), "no certificate of anybody else's is asked for"
        assert andon.sql(TOLD) == [resolved]

        moto_publishes({"Message": "andon_system: credit-scorer", "Subject": "The disk is full"})
        assert andon.sql(TOLD) == [resolved], "its signature leaves the subject out"
        message = json.loads(relay.heard[-1].body)
        assert relayed(sns.signed({**message, "SigningCertURL": sns.CERTIFICATE_URL})) == 200
        assert andon.sql(TOLD) == [resolved, ("The disk is full", "firing", "credit-scorer", 1)]

        peers.run("moto", DELETE, endpoint=amazon, topic=topic)
        assert relayed(confirmation(topic)) == 503, "moto knows no such topic, and SNS is asked to come again"
        assert asked[-1][1].status_code == 404
