"""OpenFeature for real: its SDK asks Andon's own endpoint, and a lever sets a flag on a server that speaks its protocol."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from andon.containment import adapters
from andon.containment.lever import LeverFault, Plan, cleaned, complaints
from andon.sdk.guard.deciding import place
from tests.peers.conftest import answers, until
from tests.support import peers
from tests.support.guarding import Desk
from tests.support.processes import running_andon
from tests.support.prometheus import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240), peers.needs("openfeature", "OpenFeature")]

ASK = """
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

given = {"Authorization": f"Bearer {token}"} if token else {}
api.set_provider(OFREPProvider(url, headers_factory=lambda: given))
client = api.get_client()
def told(found):
    error = found.error_code.value if found.error_code else None
    return {"value": found.value, "reason": str(found.reason), "error": error, "metadata": dict(found.flag_metadata)}
result = {
    "mode": told(client.get_string_details("credit-scorer", "safe")),
    "share": told(client.get_float_details("credit-scorer.share", 0.0)),
    "keyless": told(client.get_boolean_details("credit-scorer.decides", False)),
    "wrong type": told(client.get_boolean_details("credit-scorer", False)),
    "unknown": told(client.get_boolean_details("fraud-detector.decides", False)),
    "decides": [
        client.get_boolean_value("credit-scorer.decides", False, EvaluationContext(targeting_key=key)) for key in keys
    ],
}
"""


def test_the_sdk_of_openfeature_evaluates_the_kill_switch(tmp_path):
    keys = [str(number) for number in range(30)]
    with running_andon(tmp_path, engine=False) as andon, Desk.of(andon) as desk:
        sent = desk.token.rpartition(".")[0]

        def asked(token=sent):
            return peers.run("openfeature", ASK, url=andon.base_url, token=token, keys=keys)

        found = asked()
        assert found["mode"] == {
            "value": "on", "reason": "STATIC", "error": None,
            "metadata": {"system": "credit-scorer", "revision": 1, "mode": "on"},
        }  # fmt: skip
        assert (found["share"]["value"], found["keyless"]["value"]) == (1.0, True)
        assert found["decides"] == [True] * len(keys)
        assert (found["unknown"]["value"], found["unknown"]["error"]) == (False, "FLAG_NOT_FOUND")
        assert (found["wrong type"]["value"], found["wrong type"]["error"]) == (False, "TYPE_MISMATCH")

        desk.set("limit", share=0.5)
        found = asked()
        assert (found["mode"]["value"], found["share"]["value"]) == ("limit", 0.5)
        assert found["decides"] == [place("credit-scorer", key) < 0.5 for key in keys]
        assert (found["keyless"]["value"], found["keyless"]["error"]) == (False, "TARGETING_KEY_MISSING")

        stranger = asked("andon_guard.credit-scorer.nobody")
        assert (stranger["mode"]["value"], stranger["mode"]["error"]) == ("safe", "GENERAL")
        andon.kill_server()
        away = asked()
        assert (away["mode"]["value"], away["mode"]["error"]) == ("safe", "GENERAL")
        assert away["decides"] == [False] * len(keys), "what the code gives as the default holds"


@pytest.fixture
def flags(tmp_path: Path) -> Iterator[str]:
    """A flag server with an API of its own and OFREP, and one flag."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    program = [str(peers.python("openfeature").with_name("fast-feature")), "serve", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            program, env=peers.environment() | {"FAST_FEATURE_ADMIN": "true"}, cwd=tmp_path, stdout=log, stderr=log
        )
    try:
        until(lambda: answers(f"{url}/admin/api/flags"), 120, tmp_path / "log")
        targeting = {"if": [{"==": [{"var": "region"}, "eu"]}, "now", "other"]}
        flag = {
            "key": "credit-scorer", "default_variant": "now", "variants": {"now": True, "other": True},
            "targeting": targeting,
        }  # fmt: skip
        assert httpx.post(f"{url}/admin/api/flags", json=flag).status_code == 201
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def test_a_flag_is_set_by_its_servers_api_and_seen_by_the_protocol(flags):
    adapter = adapters.find("openfeature")
    body = '{"variants": {"now": "$value", "other": true}, "default_variant": "now", "state": "ENABLED"}'
    given = cleaned(adapter.fields, {
        "server": flags, "flag": "credit-scorer", "value": "false", "context": '{"region": "eu"}',
        "change_url": f"{flags}/admin/api/flags/credit-scorer", "change_body": body,
    })  # fmt: skip
    assert complaints(adapter, given) == []
    prior = adapter.state(given)
    assert prior == {"value": True}
    plan = adapter.plan(given, prior)
    assert plan.says == "Flag credit-scorer goes from true to false."
    assert adapter.probe(given, plan).holds is False
    adapter.act(given, plan, "PULL-1")
    assert adapter.probe(given, plan).holds is True
    adapter.undo(given, prior, "PULL-2")
    assert adapter.probe(given, Plan(prior, "")).holds is True

    with pytest.raises(LeverFault, match="cannot evaluate no-such-flag: FLAG_NOT_FOUND"):
        adapter.state({**given, "flag": "no-such-flag"})
    with pytest.raises(LeverFault) as caught:
        adapter.act({**given, "change_url": f"{flags}/admin/api/flags/no-such-flag"}, plan, "PULL-3")
    assert caught.value.sure is True


def test_the_lever_reads_andons_own_switch_as_any_other_flag(tmp_path):
    """An Andon in between: its endpoint is asked, its API sets the switch."""
    with running_andon(tmp_path, engine=False) as andon, Desk.of(andon) as desk:
        adapter = adapters.find("openfeature")
        given = cleaned(adapter.fields, {
            "server": andon.base_url, "flag": "credit-scorer", "value": '"review"', "token": desk.token.rpartition(".")[0],
            "change_url": f"{andon.base_url}/api/v1/systems/credit-scorer/switch", "change_method": "POST",
            "change_body": '{"mode": "$value", "reason": "By another Andon."}',
            "change_header": desk.line.headers["authorization"],
        })  # fmt: skip
        prior = adapter.state(given)
        plan = adapter.plan(given, prior)
        assert plan.says == 'Flag credit-scorer goes from "on" to "review".'
        adapter.act(given, plan, "PULL-1")
        assert adapter.probe(given, plan).holds is True
        assert desk.show()["mode"] == "review"
        adapter.undo(given, prior, "PULL-2")
        assert (desk.show()["mode"], adapter.probe(given, plan).holds) == ("on", False)
