"""A real Prometheus and a real Alertmanager (Debian's packages) on loopback, with a gauge that a test turns up and down."""

import http.server
import random
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import yaml

from andon.intake.adapters import help_text

BINARIES = ("prometheus", "prometheus-alertmanager")

RULES = """
groups:
  - name: credit-scorer
    rules:
      - alert: ApprovalErrorsHigh
        expr: credit_scorer_error_ratio > 0.05
        labels:
          severity: critical
          andon_system: credit-scorer
          andon_type: performance_degradation
        annotations:
          summary: "{{ $value | humanizePercentage }} of credit decisions fail"
          description: "More than 5 % of decisions of {{ $labels.job }} ended in an error."
          runbook_url: https://runbooks.example.org/credit-scorer/errors
"""

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]
scrape_configs:
  - job_name: credit-scorer
    static_configs: [{{targets: ["127.0.0.1:{gauge}"]}}]
"""

ROUTE = {"receiver": "andon", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}


def alertmanager_config(kind: str, *, url: str, token: str) -> str:
    """Alertmanager's configuration with the receiver that an integration's own help says to paste."""
    _, _, rest = help_text(kind, address=url, token=token).partition("```yaml\n")
    pasted = yaml.safe_load(rest.partition("```")[0])
    return yaml.safe_dump({"route": ROUTE, "receivers": pasted["receivers"]})


def missing() -> list[str]:
    """The binaries that this machine lacks."""
    return [name for name in BINARIES if not shutil.which(name)]


def free_port() -> int:
    """A port that nobody listens on, from below those that the kernel gives to outgoing connections.

    A test that restarts its server needs the port again, and a connection of another test must not have it by then.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


class Gauge:
    """The one metric of a pretended system; set `value` and Prometheus scrapes it within a second."""

    def __init__(self) -> None:
        self.value = 0.0
        gauge = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f"# TYPE credit_scorer_error_ratio gauge\ncredit_scorer_error_ratio {gauge.value}\n".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing: a test's output is for failures."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]


@contextmanager
def running_prometheus(folder: Path, *, url: str, token: str, kind: str = "alertmanager") -> Iterator[Gauge]:
    """Prometheus watching a gauge, Alertmanager sending what fires to `url` as that kind of integration takes it."""
    gauge = Gauge()
    alertmanager, cluster_off = free_port(), "--cluster.listen-address="
    (folder / "rules.yml").write_text(RULES)
    (folder / "alertmanager.yml").write_text(alertmanager_config(kind, url=url, token=token))
    (folder / "prometheus.yml").write_text(
        PROMETHEUS.format(rules=folder / "rules.yml", alertmanager=alertmanager, gauge=gauge.port)
    )
    prometheus = free_port()
    with ExitStack() as running:
        threading.Thread(target=gauge.server.serve_forever, daemon=True).start()
        running.callback(gauge.server.server_close)
        running.callback(gauge.server.shutdown)
        _start(running, folder, "prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml",
               f"--storage.path={folder}/am", f"--web.listen-address=127.0.0.1:{alertmanager}", cluster_off)  # fmt: skip
        _start(running, folder, "prometheus", f"--config.file={folder}/prometheus.yml",
               f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{prometheus}",
               "--rules.alert.resend-delay=1s")  # fmt: skip
        _ready(f"http://127.0.0.1:{alertmanager}/-/ready")
        _ready(f"http://127.0.0.1:{prometheus}/-/ready")
        yield gauge


@contextmanager
def running_alertmanager(folder: Path, config: str, *, port: int) -> Iterator[int]:
    """Alertmanager by itself, with the given configuration; yields the number of its process."""
    (folder / "alertmanager.yml").write_text(config)
    with ExitStack() as running:
        pid = _start(running, folder, "prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml",
                     f"--storage.path={folder}/am", f"--web.listen-address=127.0.0.1:{port}",
                     "--cluster.listen-address=")  # fmt: skip
        _ready(f"http://127.0.0.1:{port}/-/ready")
        yield pid


def _start(running: ExitStack, folder: Path, name: str, *flags: str) -> int:
    log = running.enter_context((folder / f"{name}.log").open("wb"))
    process = subprocess.Popen([name, *flags], stdout=log, stderr=log, cwd=folder)
    running.callback(process.wait, 10)
    running.callback(process.terminate)
    return process.pid


def _ready(url: str, within: float = 20) -> None:
    deadline = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
