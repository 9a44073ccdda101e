"""A real LiteLLM proxy before a local upstream: Andon's kill switch blocks a model, and sends its calls elsewhere."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.peers.conftest import answers, until
from tests.support import peers
from tests.support.guarding import Desk
from tests.support.listener import Listener, listening
from tests.support.processes import running_andon
from tests.support.prometheus import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600), peers.needs("litellm", "LiteLLM")]

KEY = "sk-" + "0f3a9c5d17b2e486" * 4  # the proxy does not start without one, nor with a weak one
HOOK = """
from litellm.integrations.custom_logger import CustomLogger
from andon.sdk.litellm import Guarded, ModelGuard

class Guard(ModelGuard, CustomLogger):
    pass

hook = Guard({"explainer": Guarded("credit-scorer", safe="small-explainer")})
"""


@pytest.fixture
def upstream() -> Iterator[Listener]:
    """Answers as OpenAI's API does, with the model that it was asked for."""

    def complete(handler):
        model = json.loads(handler.request_heard.body)["model"]
        if model == "broken":
            Listener.say(handler, 500, b'{"error": {"message": "out of order"}}', Content_Type="application/json")
            return
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"by {model}"}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [choice],
            "usage": usage,
        }
        Listener.say(handler, 200, json.dumps(answer).encode(), Content_Type="application/json")

    with listening() as listener:
        listener.answer = complete
        yield listener


@pytest.fixture
def proxy(tmp_path: Path, upstream) -> Iterator[tuple[Desk, str]]:
    def model(name, served):
        return {
            "model_name": name,
            "litellm_params": {"model": f"openai/{served}", "api_base": f"{upstream.url}/v1", "api_key": "none"},
        }

    config = {
        "model_list": [model("explainer", "large"), model("small-explainer", "small"), model("translator", "broken")],
        "litellm_settings": {
            "callbacks": "guarded.hook",
            "num_retries": 0,
            "fallbacks": [{"translator": ["explainer"]}],
        },
    }
    (tmp_path / "guarded.py").write_text(HOOK)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    url = f"http://127.0.0.1:{(port := free_port())}"
    with running_andon(tmp_path / "andon", engine=False) as andon, Desk.of(andon) as desk:
        environment = peers.environment() | {
            "ANDON_GUARD_TOKEN": desk.token, "ANDON_BASE_URL": andon.base_url,
            "ANDON_GUARD_DIR": str(tmp_path / "guard"), "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_MASTER_KEY": KEY,
        }  # fmt: skip
        program = [
            str(peers.python("litellm").with_name("litellm")), "--config", str(tmp_path / "config.yaml"),
            "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False",
        ]  # fmt: skip
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                program, env=environment, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
            )
        try:
            until(lambda: answers(f"{url}/health/liveliness"), 400, tmp_path / "log")
            yield desk, url
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def asked(url: str) -> tuple[int, str]:
    """Status, and what was answered."""
    body = {"model": "explainer", "messages": [{"role": "user", "content": "Why was it declined?"}]}
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {KEY}"}, timeout=30)
    return answer.status_code, answer.json()["choices"][0]["message"]["content"] if answer.is_success else answer.text


def test_the_switch_blocks_a_model_and_sends_its_calls_elsewhere(proxy, upstream):
    desk, url = proxy
    until(lambda: asked(url) == (200, "by large"), 60)
    desk.set("safe")
    until(lambda: asked(url) == (200, "by small"), 60)
    desk.set("off")
    until(lambda: asked(url)[0] == 503, 60)
    before = len(upstream.heard)
    status, said = asked(url)
    assert status == 503
    assert "explainer is not available: credit-scorer is contained" in said
    assert len(upstream.heard) == before, "the provider was not asked"
    by_every_way(url, upstream)
    desk.set("on")
    until(lambda: asked(url) == (200, "by large"), 60)


def by_every_way(url: str, upstream: Listener) -> None:
    """However a contained model is asked for, its provider is not."""
    with httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as line:
        (known,) = (one for one in line.get(f"{url}/v1/model/info").json()["data"] if one["model_name"] == "explainer")
        words = [{"role": "user", "content": "Why was it declined?"}]
        ways = {
            "/v1/chat/completions": {"model": "explainer", "messages": words, "stream": True},
            "/v1/completions": {"model": "explainer", "prompt": "Why?"},
            "/openai/deployments/explainer/chat/completions": {"messages": words},
            "/v1/messages": {"model": "explainer", "messages": words, "max_tokens": 5},
            "/v1/responses": {"model": "explainer", "input": "Why?"},
            "/v1/embeddings": {"model": "explainer", "input": "Why?"},
            "/v1/chat/completions?by=id": {"model": known["model_info"]["id"], "messages": words},
            "/v1/chat/completions?by=list": {"model": "small-explainer,explainer", "messages": words},
            "/v1/chat/completions?by=fallback": {"model": "translator", "messages": words},
        }
        for path, body in ways.items():
            before = len(upstream.heard)
            answer = line.post(f"{url}{path}", json=body)
            models = [json.loads(heard.body)["model"] for heard in upstream.heard[before:]]
            assert (answer.is_success, "large" in models) == (False, False), (path, answer.status_code, models)
