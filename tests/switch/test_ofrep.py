"""The kill switch by OpenFeature's remote protocol."""

import json

import pytest

from andon.people.policy import Actor
from andon.sdk.guard.deciding import Meter
from andon.sdk.guard.words import Limit
from andon.switch import actions
from tests.support.asgi import meanwhile, run, serving
from tests.switch.test_stream import app, asked, switch, token  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db(transaction=True)

FLAGS = "/ofrep/v1/evaluate/flags"


async def evaluated(app, token, key, context=None, status=200):  # noqa: F811
    content = json.dumps({"context": context or {}}).encode()
    found = await asked(app, f"{FLAGS}/{key}", token, "POST", content)
    assert found[0] == status, found
    return json.loads(found[2])


def test_a_flag_for_the_mode_and_one_for_the_decision(cast, token, app):  # noqa: F811
    async def story():
        async with serving(app):
            assert await evaluated(app, token, "credit-scorer") == {
                "key": "credit-scorer", "value": "on", "reason": "STATIC", "variant": "on",
                "metadata": {"system": "credit-scorer", "revision": 1, "mode": "on"},
            }  # fmt: skip
            assert (await evaluated(app, token, "credit-scorer.decides"))["value"] is True
            assert (await evaluated(app, token, "credit-scorer.share"))["value"] == 1.0
            await meanwhile(switch, cast, "review")
            assert (await evaluated(app, token, "credit-scorer"))["value"] == "review"
            assert (await evaluated(app, token, "credit-scorer.decides"))["value"] is False
            assert (await evaluated(app, token, "credit-scorer.share"))["value"] == 0.0

    run(story())


def test_a_share_takes_the_same_ones_that_the_sdk_takes(cast, token, app):  # noqa: F811
    switch(cast, "limit", limit=Limit(share=0.5))
    meter = Meter("credit-scorer")

    async def story():
        async with serving(app):
            for who in map(str, range(20)):
                found = await evaluated(app, token, "credit-scorer.decides", {"targetingKey": who})
                assert (found["value"], found["reason"]) == (meter.admits(Limit(share=0.5), who), "SPLIT")
            problem = await evaluated(app, token, "credit-scorer.decides", {"targetingKey": 7}, status=400)
            assert (problem["key"], problem["errorCode"]) == ("credit-scorer.decides", "INVALID_CONTEXT")
            for nobody in ({}, {"targetingKey": ""}, {"targetingKey": None}):
                problem = await evaluated(app, token, "credit-scorer.decides", nobody, status=400)
                assert problem["errorCode"] == "TARGETING_KEY_MISSING"
            assert (await evaluated(app, token, "credit-scorer.share"))["value"] == 0.5
            await meanwhile(switch, cast, "limit", limit=Limit(per_second=5.0))
            found = await evaluated(app, token, "credit-scorer.decides", {"targetingKey": "1"})
            assert (found["value"], found["metadata"]["limit_per_second"]) == (False, 5.0)

    run(story())


def test_all_flags_at_once_and_nothing_where_nothing_is_new(cast, token, app):  # noqa: F811
    async def story():
        async with serving(app):
            status, headers, said = await asked(app, FLAGS, token, "POST", b'{"context": {"targetingKey": "a"}}')
            assert status == 200
            assert [flag["key"] for flag in json.loads(said)["flags"]] == [
                "credit-scorer", "credit-scorer.decides", "credit-scorer.share",
            ]  # fmt: skip
            again = {"If-None-Match": headers["etag"]}
            status, _, said = await asked(app, FLAGS, token, "POST", b'{"context": {"targetingKey": "a"}}', **again)
            assert (status, said) == (304, "")
            await meanwhile(switch, cast, "limit", limit=Limit(share=0.1))
            status, _, said = await asked(app, FLAGS, token, "POST", b"", **again)
            flags = json.loads(said)["flags"]
            assert (status, flags[0]["value"], flags[1]["errorCode"]) == (200, "limit", "TARGETING_KEY_MISSING")

    run(story())


def test_who_is_answered_and_how(cast, token, app):  # noqa: F811
    cases = [
        (f"{FLAGS}/credit-scorer", "", "POST", b"{}", 401, "GENERAL"),
        (f"{FLAGS}/fraud-detector", token, "POST", b"{}", 404, "FLAG_NOT_FOUND"),
        (f"{FLAGS}/credit-scorer", token, "POST", b"{", 400, "PARSE_ERROR"),
        (f"{FLAGS}/credit-scorer", token, "POST", b'{"context": []}', 400, "INVALID_CONTEXT"),
        (f"{FLAGS}/credit-scorer", token, "POST", b'{"context": null}', 400, "INVALID_CONTEXT"),
        (f"{FLAGS}/credit-scorer", token, "POST", b'{"context": {"targetingKey": "\\ud800"}}', 400, "PARSE_ERROR"),
        (f"{FLAGS}/credit-scorer", token, "POST", b"x" * 70_000, 413, "PARSE_ERROR"),
        (f"{FLAGS}/credit-scorer", token, "GET", b"", 405, "PARSE_ERROR"),
        ("/ofrep/v1/other", token, "POST", b"{}", 404, "FLAG_NOT_FOUND"),
    ]

    async def story():
        async with serving(app):
            for path, who, method, content, status, code in cases:
                found = await asked(app, path, who, method, content)
                assert (found[0], json.loads(found[2])["errorCode"]) == (status, code), (path, found)
                assert found[1]["content-type"] == "application/json"
            key = {"Authorization": "", "X-API-Key": token.sent}
            assert (await asked(app, f"{FLAGS}/credit-scorer", token, "POST", b"{}", **key))[0] == 200
        assert (await asked(app, f"{FLAGS}/credit-scorer", token, "POST", b"{}"))[0] == 503

    run(story())


def test_a_revoked_token_evaluates_nothing(cast, app):  # noqa: F811
    minted = actions.make_token(cast.credit_scorer, name="old", by=Actor.of(cast.omar))
    actions.revoke_token(minted.row, by=Actor.of(cast.omar))

    async def story():
        async with serving(app):
            assert (await asked(app, f"{FLAGS}/credit-scorer", minted.sent, "POST", b"{}"))[0] == 401

    run(story())
