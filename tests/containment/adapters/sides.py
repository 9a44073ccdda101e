"""Other sides of levers on loopback, each with a state that really changes, and the faults that all of them can have.

A side answers as the real one is documented (and, in tests/peers, seen) to answer. `snapshot` is all that it holds: what
a pull and its undo must leave as it was.
"""

import copy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from andon.containment import adapters
from andon.containment.lever import LeverAdapter, cleaned, complaints
from tests.support.listener import Heard, Listener, listening

DEAD = "http://127.0.0.1:9"  # the discard port: nothing listens


class Side:
    """One other side. `refuse` is the status of every change, `garbage` the body of every reading."""

    kind: ClassVar[str]
    slowest: ClassVar[float] = 20.0

    def __init__(self, listener: Listener) -> None:
        self.listener, self.url = listener, listener.url
        self.refuse = 0
        self.garbage: bytes | None = None
        self.slow = False
        self.drips = False  # it begins an answer, and sends it a byte at a time
        self.moved = 0  # the status by which every reading is sent elsewhere
        self.twist: Callable[[Any], Any] | None = None  # makes another JSON of what is read
        self.lags = False  # what serves has not taken on what the control plane says
        self.released = threading.Event()
        self.held: dict[str, Any] = self.start()
        self.served: Any = copy.deepcopy(self.held)
        listener.answer = self.answer

    def start(self) -> dict[str, Any]:
        raise NotImplementedError

    def given(self) -> dict[str, str]:
        """What somebody fills in."""
        raise NotImplementedError

    def reply(self, heard: Heard) -> tuple[int, Any] | tuple[int, Any, dict[str, str]]:
        """Status, JSON (or bytes), and headers."""
        raise NotImplementedError

    def changes(self, heard: Heard) -> bool:
        return heard.command != "GET" and not heard.path.startswith("/serve")

    @property
    def adapter(self) -> LeverAdapter:
        return adapters.find(self.kind)

    @property
    def settings(self) -> dict[str, str]:
        kept = cleaned(self.adapter.fields, self.given())
        assert complaints(self.adapter, kept) == []
        return kept

    def dead(self) -> dict[str, str]:
        """Settings that lead to where nothing listens."""
        return {name: value.replace(self.url, DEAD) for name, value in self.settings.items()}

    def snapshot(self) -> Any:
        return copy.deepcopy(self.held)

    def answer(self, handler: Any) -> None:
        heard: Heard = handler.request_heard
        if self.slow:
            self.released.wait(20)
            return Listener.say(handler, 503)
        if self.drips:
            return self.drip(handler)
        if self.changes(heard):
            if self.refuse:
                elsewhere = {"Location": f"{self.url}/elsewhere"} if self.refuse < 400 else {}
                return Listener.say(handler, self.refuse, b'{"message": "not by you"}', **elsewhere)
        elif self.moved:
            return Listener.say(handler, self.moved, b"", Location=f"{self.url}/elsewhere")
        elif self.garbage is not None:
            return Listener.say(handler, 200, self.garbage)
        status, body, *more = self.reply(heard)
        if self.twist is not None and not self.changes(heard) and isinstance(body, dict):
            body = self.twist(body)
        if not self.lags:
            self.served = copy.deepcopy(self.held)
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return Listener.say(handler, status, raw, **(more[0] if more else {}))

    def drip(self, handler: Any) -> None:
        """An answer that goes on for as long as anybody listens."""
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not self.released.wait(0.02):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    def over_tls(self) -> dict[str, str]:
        """Settings by which it is asked in TLS, which it does not speak."""
        return {name: value.replace("http://", "https://") for name, value in self.settings.items()}


@contextmanager
def running(kind: type[Side]) -> Iterator[Side]:
    with listening() as listener:
        side = kind(listener)
        try:
            yield side
        finally:
            side.released.set()


class MLflow(Side):
    kind = "mlflow"

    def start(self):
        return {"aliases": {"champion": "7", "fallback": "5"}, "versions": {"5": "READY", "6": "READY", "7": "READY"}}

    def given(self):
        return {
            "server": self.url, "model": "credit model's", "user": "andon", "password": "a secret",
            "serving": f"{self.url}/serve", "shows": "/model/version", "version": "6",
        }  # fmt: skip

    def reply(self, heard):
        path, _, query = heard.path.partition("?")
        if path == "/serve":
            return 200, {"model": {"version": int(self.served["aliases"].get("champion", 0))}}
        if path.endswith("/registered-models/get"):
            aliases = [{"alias": alias, "version": version} for alias, version in self.held["aliases"].items()]
            return 200, {"registered_model": {"name": "credit model's", **({"aliases": aliases} if aliases else {})}}
        if path.endswith("/model-versions/search"):
            assert "credit%20model%27%27s" in query
            return 200, {
                "model_versions": [{"version": v, "status": status} for v, status in self.held["versions"].items()]
            }
        asked = json.loads(heard.body)
        assert (path, asked["name"]) == ("/api/2.0/mlflow/registered-models/alias", "credit model's")
        if heard.command == "DELETE":
            self.held["aliases"].pop(asked["alias"], None)
        else:
            self.held["aliases"][asked["alias"]] = asked["version"]
        return 200, {}


class MLflowByAlias(MLflow):
    """Back to where another alias points, with an alias of its own that does not exist yet."""

    def start(self):
        return super().start() | {"aliases": {"fallback": "5"}}

    def given(self):
        return super().given() | {"version": "@fallback"}


class Unleash(Side):
    kind = "unleash"

    def start(self):
        return {"enabled": True}

    def given(self):
        return {
            "server": self.url, "token": "a secret of admins", "feature": "credit scorer", "environment": "production",
            "frontend_token": "a secret of frontends",
        }  # fmt: skip

    def reply(self, heard):
        if heard.path.startswith("/api/frontend"):
            assert heard.headers["authorization"] == "a secret of frontends"
            name = "credit scorer" if self.served["enabled"] else "another"
            return 200, {"toggles": [{"name": name, "enabled": True}, {"name": "third", "enabled": True}]}
        where = "/api/admin/projects/default/features/credit%20scorer/environments/production"
        assert heard.path.startswith(where)
        if heard.command == "GET":
            return 200, {"name": "credit scorer", "environment": "production", **self.held}
        self.held["enabled"] = {"/on": True, "/off": False}[heard.path.removeprefix(where)]
        return 200, None


class UnleashOn(Unleash):
    """A flag that contains by being on."""

    def start(self):
        return {"enabled": False}

    def given(self):
        return super().given() | {"turn": "on"}


class LaunchDarkly(Side):
    kind = "launchdarkly"

    def start(self):
        return {"on": True}

    def given(self):
        return {
            "server": self.url, "token": "a secret", "project": "bank", "feature": "credit-scorer",
            "environment": "production", "serving": f"{self.url}/serve", "shows": "/flag",
        }  # fmt: skip

    def reply(self, heard):
        if heard.path == "/serve":
            return 200, {"flag": "on" if self.served["on"] else "off"}
        assert heard.path.startswith("/api/v2/flags/bank/credit-scorer")
        assert heard.headers["authorization"] == "a secret"
        if heard.command == "GET":
            return 200, {"key": "credit-scorer", "environments": {"production": self.held | {"version": 3}}}
        asked = json.loads(heard.body)
        assert heard.headers["content-type"] == "application/json; domain-model=launchdarkly.semanticpatch"
        assert asked["environmentKey"] == "production"
        self.held["on"] = {"turnFlagOn": True, "turnFlagOff": False}[asked["instructions"][0]["kind"]]
        return 200, {"key": "credit-scorer"}


class OpenFeature(Side):
    """A flag server that speaks OFREP and is set by an API of its own; a serving process that shows the flag."""

    kind = "openfeature"

    def start(self):
        return {"value": True}

    def given(self):
        return {
            "server": self.url, "flag": "credit scorer", "value": "false", "token": "a secret of readers",
            "context": '{"targetingKey": "customer-7"}', "change_url": f"{self.url}/api/flags/credit-scorer",
            "change_method": "PATCH", "change_body": '{"flag": {"enabled": "$value"}, "by": ["andon"]}',
            "change_header": "Bearer a secret of writers", "serving": f"{self.url}/serve", "shows": "/flag",
        }  # fmt: skip

    def changes(self, heard):
        return heard.command == "PATCH"

    def reply(self, heard):
        if heard.path == "/serve":
            return 200, {"flag": self.served["value"]}
        if heard.command == "PATCH":
            assert heard.headers["authorization"] == "Bearer a secret of writers"
            assert heard.headers["idempotency-key"]
            asked = json.loads(heard.body)
            assert (heard.path, asked["by"]) == ("/api/flags/credit-scorer", ["andon"])
            self.held["value"] = asked["flag"]["enabled"]
            return 204, None
        assert (heard.command, heard.path) == ("POST", "/ofrep/v1/evaluate/flags/credit%20scorer")
        assert heard.headers["authorization"] == "Bearer a secret of readers"
        assert heard.headers["x-api-key"] == "a secret of readers"
        assert json.loads(heard.body) == {"context": {"targetingKey": "customer-7"}}
        return 200, {"key": "credit scorer", "reason": "STATIC", "variant": "v", **self.served, "metadata": {}}


def template(version):
    return {
        "metadata": {"labels": {"app": "scorer"}},
        "spec": {"containers": [{"name": "scorer", "image": f"registry.example.org/scorer:{version}"}]},
    }


class Kubernetes(Side):
    """A deployment with three revisions; its controller takes a new template over at once, unless it lags."""

    kind = "kubernetes"

    def start(self):
        self.revisions = {5: 1, 6: 2, 7: 3}  # of versions; one that is taken again gets a new number
        return {"template": template(7)}

    def given(self):
        return {
            "server": self.url, "token": "a secret", "namespace": "bank", "deployment": "scorer", "image": "scorer:6",
        }  # fmt: skip

    def replica_set(self, revision, version):
        labelled = template(version)
        labelled["metadata"]["labels"] = {"app": "scorer", "pod-template-hash": f"h{version}"}
        return {
            "metadata": {
                "name": f"scorer-{version}", "uid": f"rs-{version}", "annotations": {"deployment.kubernetes.io/revision": revision},
                "ownerReferences": [{"uid": "u-1", "controller": True}],
            },
            "spec": {"replicas": 3 if revision == str(max(self.revisions.values())) else 0, "template": labelled},
        }  # fmt: skip

    def reply(self, heard):
        path = heard.path.partition("?")[0]
        assert heard.headers["authorization"] == "Bearer a secret"
        if path.endswith("/replicasets"):
            mine = [self.replica_set(str(number), version) for version, number in self.revisions.items()]
            stranger = self.replica_set("9", 9)
            stranger["metadata"]["ownerReferences"] = [{"uid": "another", "controller": True}]
            return 200, {"items": [*mine, stranger]}
        assert path == "/apis/apps/v1/namespaces/bank/deployments/scorer"
        if heard.command == "PATCH":
            assert heard.headers["content-type"] == "application/json-patch+json"
            test, replace = json.loads(heard.body)
            assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "41"}
            assert (replace["op"], replace["path"]) == ("replace", "/spec/template")
            version = int(replace["value"]["spec"]["containers"][0]["image"].rpartition(":")[2])
            self.revisions[version] = max(self.revisions.values()) + 1
            self.held = {"template": replace["value"]}
            return 200, {"metadata": {"generation": 8}}
        settled = self.served == self.held
        return 200, {
            "metadata": {
                "uid": "u-1", "generation": 8, "resourceVersion": "41",
            },
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "scorer"}}, "template": self.held["template"]},
            "status": {
                "observedGeneration": 8, "replicas": 3 if settled else 4, "updatedReplicas": 3 if settled else 1,
                "availableReplicas": 3, "readyReplicas": 3,
            },
        }  # fmt: skip


class KServe(Side):
    kind = "kserve"

    def start(self):
        return {"percent": 30}

    def given(self):
        return {"server": self.url, "token": "a secret", "namespace": "bank", "service": "scorer", "percent": "0"}

    def reply(self, heard):
        assert heard.path == "/apis/serving.kserve.io/v1beta1/namespaces/bank/inferenceservices/scorer"
        if heard.command == "PATCH":
            assert heard.headers["content-type"] == "application/merge-patch+json"
            percent = json.loads(heard.body)["spec"]["predictor"]["canaryTrafficPercent"]
            self.held["percent"] = percent
            return 200, {}
        percent = self.served["percent"]
        shares = [
            {"revisionName": "scorer-7", "latestRevision": True, "percent": percent},
            {"revisionName": "scorer-6", "latestRevision": False, "percent": 100 - percent, "tag": "prev"},
        ]
        return 200, {
            "metadata": {"generation": 4},
            "spec": {"predictor": {"canaryTrafficPercent": self.held["percent"], "model": {}}},
            "status": {
                "observedGeneration": 4, "conditions": [{"type": "Ready", "status": "True"}],
                "components": {"predictor": {"traffic": [one for one in shares if one["percent"]]}},
            },
        }  # fmt: skip


class GitHub(Side):
    kind = "github"

    def start(self):
        return {"served": "v7"}

    def given(self):
        return {
            "server": self.url, "token": "a secret", "repository": "example-bank/credit-scorer",
            "workflow": "roll-back.yml", "inputs": '{"version": "v6"}', "undo_inputs": '{"version": "v7"}',
            "serving": f"{self.url}/serve", "shows": "X-Model-Version", "shown": "v6",
        }  # fmt: skip

    def reply(self, heard):
        if heard.path == "/serve":
            return 200, {}, {"X_Model_Version": self.served["served"]}
        where = "/repos/example-bank/credit-scorer/actions/workflows/roll-back.yml"
        assert heard.headers["authorization"] == "Bearer a secret"
        if heard.command == "GET":
            assert heard.path == where
            return 200, {"id": 1, "state": "active"}
        asked = json.loads(heard.body)
        assert (heard.path, asked["ref"], asked["return_run_details"]) == (f"{where}/dispatches", "main", True)
        self.held["served"] = asked["inputs"]["version"]
        return 200, {"workflow_run_id": 17, "html_url": "https://github.example.org/runs/17"}


class RayServe(Side):
    """Two applications, one of which has a secret in its environment."""

    kind = "rayserve"

    def start(self):
        return {"credit": self.config("7"), "another": {"name": "another", "import_path": "other:app"}}

    @staticmethod
    def config(version):
        return {
            "name": "credit", "import_path": "model:app", "route_prefix": "/credit", "args": {"version": version},
            "runtime_env": {"env_vars": {"API_TOKEN": "a secret of the model", "REGION": "eu"}},
        }  # fmt: skip

    def given(self):
        return {
            "server": self.url, "application": "credit", "config": json.dumps(self.config("6")), "token": "a secret",
            "serving": f"{self.url}/serve", "shown": "6",
        }  # fmt: skip

    def reply(self, heard):
        if heard.path == "/serve":
            return 200, {"version": self.served["credit"]["args"]["version"]}
        assert heard.path == "/api/serve/applications/"
        if heard.command == "PUT":
            asked = json.loads(heard.body)
            assert asked["http_options"] == {"host": "127.0.0.1", "port": 8000}
            self.held = {one["name"]: one for one in asked["applications"]}
            return 200, None
        applications = {
            name: {"name": name, "status": "RUNNING", "source": "declarative", "deployed_app_config": config}
            for name, config in self.held.items()
        }
        return 200, {"applications": applications, "http_options": {"host": "127.0.0.1", "port": 8000}}


ALL: list[type[Side]] = [
    MLflow, MLflowByAlias, Unleash, UnleashOn, LaunchDarkly, OpenFeature, Kubernetes, KServe, GitHub, RayServe,
]  # fmt: skip
"""All but the clouds (see `clouds`)."""
