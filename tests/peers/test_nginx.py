"""A real nginx before two versions of a service: its route is rewritten, tested, taken up, seen, and put back."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from andon.containment import adapters
from andon.containment.lever import LeverFault, Plan, cleaned
from tests.peers.conftest import until
from tests.support.listener import Listener, listening
from tests.support.prometheus import free_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(120),
    pytest.mark.skipif(NGINX is None, reason="REAL NGINX NOT TESTED: apt install nginx-light"),
]

CONFIG = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  upstream scorer {{ include {folder}/scorer.servers; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://scorer; }} }}
}}
"""


@pytest.fixture
def services() -> Iterator[dict[str, Listener]]:
    """Two versions of what decides."""
    with listening() as old, listening() as new:
        for version, listener in (("v6", old), ("v7", new)):
            listener.answer = lambda handler, version=version: Listener.say(handler, 200, X_Model_Version=version)
        yield {"v6": old, "v7": new}


@pytest.fixture
def nginx(tmp_path: Path, services, settings) -> Iterator[str]:
    """nginx before the newer one; what levers may do with it."""
    port, config = free_port(), tmp_path / "nginx.conf"
    tmp_path.chmod(0o755)
    config.write_text(CONFIG.format(folder=tmp_path, port=port))
    (tmp_path / "scorer.servers").write_text(f"server 127.0.0.1:{services['v7'].port};\n")
    program = [str(NGINX), "-p", str(tmp_path), "-c", str(config), "-e", str(tmp_path / "error.log")]
    settings.LEVERS_FILE = tmp_path / "levers.yaml"
    allowed = {
        "path": str(tmp_path / "scorer.servers"), "test": [*program, "-t"], "apply": [*program, "-s", "reload"],
    }  # fmt: skip
    settings.LEVERS_FILE.write_text(yaml.safe_dump({"files": {"scorer": allowed}}))
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(program, stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}/"
        until(lambda: answered_by(url) == "v7", 60, tmp_path / "error.log")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def answered_by(url: str) -> str | None:
    try:
        return httpx.get(url, timeout=5).headers.get("x-model-version")
    except httpx.TransportError:
        return None


def lever(nginx: str, servers: str) -> dict[str, str]:
    given = {"file": "scorer", "servers": servers, "serving": nginx, "shows": "X-Model-Version", "shown": "v6",
             "shown_before": "v7", "times": "5"}  # fmt: skip
    return cleaned(adapters.find("nginx").fields, given)


def test_a_route_is_changed_seen_and_put_back(nginx, services, tmp_path):
    adapter, given = adapters.find("nginx"), lever(nginx, f"127.0.0.1:{services['v6'].port}")
    file = tmp_path / "scorer.servers"
    before = file.read_bytes()
    prior = adapter.state(given)
    plan = adapter.plan(given, prior)
    adapter.act(given, plan, "PULL-1")
    until(lambda: adapter.probe(given, plan).holds is True, 60)
    assert answered_by(nginx) == "v6"
    adapter.undo(given, prior, "PULL-2")
    until(lambda: adapter.probe(given, Plan(prior, "")).holds is True, 60)
    assert (answered_by(nginx), file.read_bytes()) == ("v7", before)


def test_what_nginx_refuses_is_taken_back_and_nothing_was_changed(nginx, tmp_path):
    adapter, given = adapters.find("nginx"), lever(nginx, "no.such.host.invalid:8080")
    before = (tmp_path / "scorer.servers").read_bytes()
    with pytest.raises(LeverFault, match="did not pass its test") as caught:
        adapter.act(given, adapter.plan(given, adapter.state(given)), "PULL-1")
    assert caught.value.sure is True
    assert (tmp_path / "scorer.servers").read_bytes() == before
    assert answered_by(nginx) == "v7"
