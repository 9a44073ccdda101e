"""The real kubectl at the cluster that the Kubernetes lever is tested against: it reads it, and undoes as the lever does.

No API server can be run here. But kubectl decodes what a cluster answers into Kubernetes' own types, and refuses what is
not of them; and what it sends for `rollout undo` is what the lever says to send.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.containment.adapters import sides
from tests.support import peers
from tests.support.listener import Heard, Listener

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240), peers.needs("kubectl", "kubectl")]

DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {
        "kind": "APIGroupList", "apiVersion": "v1",
        "groups": [{
            "name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
        }],
    },
    "/apis/apps/v1": {
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1",
        "resources": [
            {"name": f"{kind.lower()}s", "singularName": kind.lower(), "namespaced": True, "kind": kind,
             "verbs": ["get", "list", "patch"]}
            for kind in ("Deployment", "ReplicaSet")
        ],
    },
}  # fmt: skip


class Cluster(sides.Kubernetes):
    """The stand-in, with what a client asks first of a cluster, and kinds on its answers. It takes kubectl's patch too."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener)
        self.patches: list[list[dict[str, Any]]] = []

    def answer(self, handler: Any) -> None:
        heard: Heard = handler.request_heard
        if heard.headers.get("user-agent", "").startswith("kubectl/"):
            heard.headers["authorization"] = "Bearer a secret"  # it sends no token where there is no TLS
        found = DISCOVERY.get(heard.path.partition("?")[0])
        status, body = (200, found) if found else self.reply(heard)
        self.served = self.snapshot()
        Listener.say(handler, status, json.dumps(body).encode(), Content_Type="application/json")

    def reply(self, heard: Heard) -> tuple[int, Any]:
        if heard.command == "PATCH":
            patch = json.loads(heard.body)
            self.patches.append(patch)
            template = _without_empty(next(one["value"] for one in patch if one["path"] == "/spec/template"))
            test = {"op": "test", "path": "/metadata/resourceVersion", "value": "41"}
            plain = [test, {"op": "replace", "path": "/spec/template", "value": template}]
            super().reply(
                Heard("PATCH", heard.path.partition("?")[0], heard.headers, json.dumps(plain).encode(), heard.at)
            )
            heard = Heard("GET", heard.path, heard.headers, b"", heard.at)
        status, body = super().reply(heard)
        named = {"name": "scorer", "namespace": "bank"}
        if "items" in body:
            for one in body["items"]:
                one["metadata"]["ownerReferences"][0] |= {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": "scorer",
                }
                one["metadata"]["namespace"] = "bank"
                one["metadata"]["labels"] = one["spec"]["template"]["metadata"]["labels"]
                one |= {"kind": "ReplicaSet", "apiVersion": "apps/v1"}
            return status, {"kind": "ReplicaSetList", "apiVersion": "apps/v1", "metadata": {}, **body}
        newest = str(max(self.revisions.values()))
        body["metadata"] |= named | {"annotations": {"deployment.kubernetes.io/revision": newest}}
        return status, {"kind": "Deployment", "apiVersion": "apps/v1", **body}


@pytest.fixture
def cluster():
    with sides.running(Cluster) as one:
        yield one


def kubectl(cluster: Cluster, home: Path, *words: str) -> str:
    program = [
        str(peers.python("kubectl").with_name("kubectl")), "--server", cluster.url, "-n", "bank",
        "--cache-dir", str(home), *words,
    ]  # fmt: skip
    done = subprocess.run(
        program, env=peers.environment() | {"HOME": str(home), "KUBECONFIG": str(home / "none")}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kubectl_reads_the_revisions_that_the_lever_goes_back_to(cluster, tmp_path):
    found = kubectl(cluster, tmp_path, "rollout", "history", "deployment/scorer")
    assert [line.split()[0] for line in found.splitlines() if line[:1].isdigit()] == ["1", "2", "3"]
    shown = kubectl(cluster, tmp_path, "rollout", "history", "deployment/scorer", "--revision=2")
    assert "registry.example.org/scorer:6" in shown


def test_kubectl_undoes_with_the_template_that_the_lever_puts(cluster, tmp_path):
    adapter, settings = cluster.adapter, cluster.settings
    prior = adapter.state(settings)
    kubectl(cluster, tmp_path, "rollout", "undo", "deployment/scorer", "--to-revision=2")
    (theirs,) = cluster.patches
    seen = adapter.probe(settings, adapter.plan(settings, prior))
    assert seen.holds is True, seen.text
    adapter.undo(settings, prior, "PULL-2")
    adapter.act(settings, adapter.plan(settings, adapter.state(settings)), "PULL-3")
    ours = cluster.patches[-1]
    template = {one["path"]: one["value"] for one in ours}["/spec/template"]
    assert template == _without_empty({one["path"]: one["value"] for one in theirs}["/spec/template"])


def _without_empty(value: Any) -> Any:
    """As kubectl sends its types, some members are there and empty; a cluster keeps them as if they were not there."""
    if isinstance(value, dict):
        kept = {name: _without_empty(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one not in (None, {}, [])}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value
