"""Two versions of a real model in a real MLflow, served by a process that uses the SDK: rolled back, and constrained.

What is looked at is always what the process decides, never what the registry says.
"""

import subprocess
from pathlib import Path

import httpx
import pytest

from andon.containment import adapters
from andon.containment.lever import Plan, cleaned
from tests.peers.conftest import until
from tests.support import peers
from tests.support.guarding import Desk
from tests.support.processes import running_andon
from tests.support.prometheus import free_port

pytestmark = [
    pytest.mark.heavy, pytest.mark.timeout(400), pytest.mark.xdist_group("mlflow"), peers.needs("mlflow", "MLflow"),
]  # fmt: skip

TRAIN = """
import mlflow, numpy as np
from sklearn.tree import DecisionTreeClassifier
mlflow.set_tracking_uri(server)
incomes = np.arange(0, 100).reshape(-1, 1)
for approved in (incomes.ravel() >= 50, incomes.ravel() < 50):  # the second version declines whom the first one takes
    with mlflow.start_run():
        model = DecisionTreeClassifier().fit(incomes, approved)
        mlflow.sklearn.log_model(model, name="model", registered_model_name=called, serialization_format="cloudpickle")
mlflow.MlflowClient().set_registered_model_alias(called, "champion", "2")
"""


class Server:
    """The serving process."""

    def __init__(self, registry: str, model: str, folder: Path, **environment: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.log = folder / "model-server.log"
        program = [str(peers.python("mlflow")), str(Path(__file__).with_name("model_server.py")), str(port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*program, f"models:/{model}@champion"], stdout=log, stderr=log, cwd=folder,
                env=peers.environment() | {"MLFLOW_TRACKING_URI": registry} | environment,
            )  # fmt: skip
        until(self.answers, 150, self.log)

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            return self.decide(80) is not None
        except httpx.TransportError:
            return False

    def decide(self, income):
        return httpx.post(f"{self.url}/decide", json={"income": income}, timeout=10).json()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)


def lever(registry, model, server, **more):
    given = {
        "server": registry, "model": model, "version": "1", "serving": f"{server.url}/decide", "asks": '{"income": 80}',
    }  # fmt: skip
    return adapters.find("mlflow"), cleaned(adapters.find("mlflow").fields, given | more)


def test_a_rollback_is_seen_in_the_served_predictions_and_undone(registry, tmp_path):
    peers.run("mlflow", TRAIN, server=registry, called="credit-rolled")
    with Server(registry, "credit-rolled", tmp_path) as server:
        assert server.decide(80) == {"approved": False, "version": "2", "by": "model"}
        adapter, settings = lever(registry, "credit-rolled", server)
        prior = adapter.state(settings)
        plan = adapter.plan(settings, prior)
        assert plan.says == "credit-rolled@champion goes from version 2 to version 1."

        adapter.act(settings, plan, "PULL-1")
        assert adapter.state(settings)["version"] == "1", "the registry says that it is done"
        assert server.decide(80)["approved"] is False, "and the process decides as before"
        assert adapter.probe(settings, plan).holds is False

        adapter, settings = lever(registry, "credit-rolled", server, reload=f"{server.url}/reload")
        adapter.act(settings, plan, "PULL-2")
        assert adapter.probe(settings, plan).holds is True
        assert server.decide(80) == {"approved": True, "version": "1", "by": "model"}

        adapter.undo(settings, prior, "PULL-3")
        assert adapter.state(settings) == prior
        assert adapter.probe(settings, Plan(prior, "")).holds is True
        assert server.decide(80) == {"approved": False, "version": "2", "by": "model"}


def test_the_kill_switch_constrains_what_the_model_server_decides(registry, tmp_path):
    peers.run("mlflow", TRAIN, server=registry, called="credit-guarded")
    with running_andon(tmp_path / "andon", engine=False) as andon, Desk.of(andon) as desk:
        guarded = {
            "ANDON_GUARD_TOKEN": desk.token, "ANDON_BASE_URL": andon.base_url,
            "ANDON_GUARD_DIR": str(tmp_path / "guard"),
        }  # fmt: skip
        with Server(registry, "credit-guarded", tmp_path, **guarded) as server:
            until(lambda: server.decide(80)["by"] == "model", 60)
            desk.set("safe")
            until(lambda: server.decide(80)["by"] == "rule", 60)
            desk.until_says("1 of 1 replica contained")
            desk.set("on")
            until(lambda: server.decide(80)["by"] == "model", 60)
