"""A real Envoy before two versions of a service: its route is rewritten, taken up, seen, and put back."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from andon.containment import adapters
from andon.containment.lever import LeverFault, Plan, cleaned, complaints
from tests.peers.conftest import until
from tests.support import peers
from tests.support.listener import Listener, listening
from tests.support.prometheus import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(120), peers.needs("envoy", "Envoy")]


@pytest.fixture
def services() -> Iterator[dict[str, Listener]]:
    """Two versions of what decides."""
    with listening() as old, listening() as new:
        for version, listener in (("v6", old), ("v7", new)):
            listener.answer = lambda handler, version=version: Listener.say(handler, 200, X_Model_Version=version)
        yield {"v6": old, "v7": new}


def cluster(version: str, port: int) -> dict[str, object]:
    address = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
    return {
        "name": f"scorer-{version}", "type": "STATIC", "connect_timeout": "5s",
        "load_assignment": {"cluster_name": f"scorer-{version}", "endpoints": [{"lb_endpoints": [{"endpoint": address}]}]},
    }  # fmt: skip


def bootstrap(port: int, route: Path, clusters: list[dict[str, object]]) -> dict[str, object]:
    """A listener whose route configuration is read from a file, as the lever's help asks for."""
    kind = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{kind}.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "in",
        "rds": {"route_config_name": "scorer", "config_source": {"path_config_source": {"path": str(route)}}},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{kind}.http.router.v3.Router"}},
        ],
    }  # fmt: skip
    listener = {
        "name": "in", "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }  # fmt: skip
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def route(**weights: int) -> dict[str, object]:
    clusters = [{"name": f"scorer-{version}", "weight": weight} for version, weight in weights.items()]
    configuration = {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "scorer",
        "virtual_hosts": [{
            "name": "scorer", "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": clusters}}}],
        }],
    }  # fmt: skip
    return {"resources": [configuration]}


@pytest.fixture
def envoy(tmp_path: Path, services, settings) -> Iterator[str]:
    """Envoy before the newer one; what levers may do with its route."""
    port, folder = free_port(), tmp_path / "routes"
    folder.mkdir()
    file = folder / "scorer.json"
    file.write_text(json.dumps(route(v6=0, v7=100)))
    clusters = [cluster(version, listener.port) for version, listener in services.items()]
    (tmp_path / "envoy.yaml").write_text(yaml.safe_dump(bootstrap(port, file, clusters)))
    settings.LEVERS_FILE = tmp_path / "levers.yaml"
    settings.LEVERS_FILE.write_text(yaml.safe_dump({"files": {"scorer-route": {"path": str(file)}}}))
    program = [
        str(peers.python("envoy").with_name("envoy")), "-c", str(tmp_path / "envoy.yaml"), "--concurrency", "1",
        "--disable-hot-restart", "--log-level", "info", "--service-node", "one", "--service-cluster", "scorers",
    ]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(program, env=peers.environment(), cwd=tmp_path, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}/"
        until(lambda: answered_by(url) == "v7", 60, tmp_path / "log")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def answered_by(url: str) -> str | None:
    try:
        return httpx.get(url, timeout=5).headers.get("x-model-version")
    except httpx.TransportError:
        return None


def lever(envoy: str, weights: str) -> dict[str, str]:
    given = cleaned(adapters.find("envoy").fields, {
        "file": "scorer-route", "weights": weights, "serving": envoy, "shows": "X-Model-Version", "shown": "v6",
        "shown_before": "v7", "times": "5",
    })  # fmt: skip
    assert complaints(adapters.find("envoy"), given) == []
    return given


def test_a_route_is_weighed_anew_taken_up_seen_and_put_back(envoy, tmp_path):
    adapter, given = adapters.find("envoy"), lever(envoy, '{"scorer-v6": 100, "scorer-v7": 0}')
    file = tmp_path / "routes" / "scorer.json"
    before = file.read_bytes()
    prior = adapter.state(given)
    plan = adapter.plan(given, prior)
    assert adapter.probe(given, plan).holds is False
    adapter.act(given, plan, "PULL-1")
    until(lambda: adapter.probe(given, plan).holds is True, 60)
    assert answered_by(envoy) == "v6"
    adapter.undo(given, prior, "PULL-2")
    until(lambda: adapter.probe(given, Plan(prior, "")).holds is True, 60)
    assert (answered_by(envoy), file.read_bytes()) == ("v7", before)


def test_a_route_that_envoy_refuses_stays_as_it_was_and_the_pull_is_not_seen(envoy, tmp_path):
    """Envoy says so in its log alone: only who answers tells."""
    adapter, given = adapters.find("envoy"), lever(envoy, '{"scorer-v6": 100, "scorer-v7": 0}')
    file = tmp_path / "routes" / "scorer.json"
    broken = route(v6=0, v7=100)
    broken["resources"][0]["virtual_hosts"][0]["domains"] = []
    file.write_text(json.dumps(broken))  # in place: Envoy takes up only what is moved there
    plan = adapter.plan(given, adapter.state(given))
    adapter.act(given, plan, "PULL-1")
    until(lambda: b"rejected" in (tmp_path / "log").read_bytes(), 60, tmp_path / "log")
    assert answered_by(envoy) == "v7"
    seen = adapter.probe(given, plan)
    assert (seen.holds, "not v6" in seen.text) == (False, True), seen.text


def test_a_cluster_that_the_route_does_not_have_is_refused_before_anything_is_written(envoy, tmp_path):
    given = lever(envoy, '{"scorer-v5": 100}')
    with pytest.raises(LeverFault, match="has no weighted cluster scorer-v5") as caught:
        adapters.find("envoy").state(given)
    assert caught.value.sure is True
    assert answered_by(envoy) == "v7"
