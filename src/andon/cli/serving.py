"""Commands that run Andon: `andon up` on one machine; `serve`, `engine` and `migrate` for replicas."""

import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.cli import house, say
from andon.cli.say import Trouble

if TYPE_CHECKING:
    import uvicorn

APPLICATION, WORKER = "andon.site.asgi:application", "andon.site.worker:application"
PROTOCOL = "andon.site.protocol:Protocol"
MOST_WORKERS = 4
"""Processes that serve unless asked for more: each holds about 120 MB."""
WORKER_SILENCE = 30
"""Seconds after which a process that does not answer is taken for hung, and replaced."""
HOST, PORT = "127.0.0.1", 8321
IDLE = 75
"""Seconds that a connection stays open for a next request. Whoever closes it first may do so while the other sends:
then the request is lost, and few senders repeat a POST by themselves. Most give an idle connection up within a minute,
load balancers after 60 s; uvicorn's own 5 s is the very interval at which many send."""
GRACE = 10
"""Seconds that open requests get to end when the server stops; live streams are cut then."""

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every network.")]
Port = Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)]
Workers = Annotated[
    int,
    typer.Option(help=f"Processes that serve; 0: one for each processor core, at most {MOST_WORKERS}.", min=0, max=64),
]


def up(
    host: Host = HOST,
    port: Port = PORT,
    workers: Workers = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
) -> None:
    """Start Andon on this machine: make or update the database, serve, and run the engine beside the server."""
    _address_from(host, port)
    house.set_up()
    listening = listen(host, port)
    house.migrate()
    house.match_keys(to_run=True)
    address = base_url()
    link = _setup_link()
    _say_start(address, host, port, engine="in this process", workers=workers)
    _say_if_outdated()
    if link:
        say.line("")
        say.line("Nobody has an account yet. Open this link to make the first administrator")
        say.line("(it works once, within 24 hours; starting Andon again prints a new one):")
        say.line(f"  {link}")
    say.line("")
    say.line("Stop it with Ctrl-C.")
    if not no_open and _has_a_browser():
        webbrowser.open(link or address)
    run_server(listening, workers=workers, with_engine=True)


def serve(host: Host = HOST, port: Port = PORT, workers: Workers = 0) -> None:
    """Serve pages, API and intake, without an engine: one of several replicas. Some `andon engine` must run, too."""
    _address_from(host, port)
    house.enter(to_run=True)
    listening = listen(host, port)
    _take_rules()
    _say_start(base_url(), host, port, engine="not here; run andon engine beside it", workers=workers)
    run_server(listening, workers=workers, with_engine=False)


def _take_rules() -> None:
    """What this server writes is written by its rules: an older engine must leave it alone, and is told so."""
    from andon.engine import locks
    from andon.kit.outdated import OUTDATED

    if locks.take(locks.RULES, f"andon serve on {socket.gethostname()[:60]}"):
        say.line(OUTDATED)


def _say_if_outdated() -> None:
    from andon.engine import locks
    from andon.kit.outdated import OUTDATED

    if locks.newer():
        say.line(OUTDATED)


def engine() -> None:
    """Run an engine alone: it routes signals, pages people and audits itself. Any number may run."""
    # A signal that comes before the engine waits for it is kept until then.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    house.enter(to_run=True)
    from andon.engine import runner

    say.line(f"Andon's engine runs on {house.database_name()}. Stop it with Ctrl-C.")
    runner.run()
    say.line("The engine has stopped; what was due stays due.")


def migrate(json: say.AsJson = False) -> None:
    """Bring the database to this version of Andon. `andon up` does this by itself; replicas ask for it."""
    house.set_up()
    ran = house.migrate()
    done = f"{ran} migrations ran" if ran else "it was of this version already"
    say.answer({"migrations": ran, "database": house.database_name()}, lambda: f"{house.database_name()}: {done}.")


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, or the reason in words; bound before anything else is changed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Trouble(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. "
            "If Andon runs already, use that one; otherwise choose another with --port.",
            code=1,
        ) from error
    return listening


def run_server(listening: socket.socket, *, workers: int, with_engine: bool) -> None:
    """Serve until SIGTERM or SIGINT: requests end, then the engine's round, then the process, with exit code 0.

    With several workers this process serves nothing itself: it looks after them, and has the engine, which then has a
    processor core of its own in a storm.
    """
    many = _number_of(workers)
    served = _serve_by_many if many > 1 else _serve_alone
    running: list[Any] = []
    try:
        well = served(listening, many, start_beside=lambda: running.extend([_start_engine()] if with_engine else []))
    finally:
        for engine_beside in running:
            engine_beside.stop()
    if not well:
        raise Trouble("The server could not start; the lines above say why.", code=1)
    say.line("Andon has stopped; what was due stays due.")


def _number_of(workers: int) -> int:
    return workers or min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, MOST_WORKERS)


def _serve_alone(listening: socket.socket, _workers: int, *, start_beside: Callable[[], None]) -> bool:
    """Serve in this process; whether it ended because it was told to."""
    server = make_server()
    told_to_stop = threading.Event()

    def stop(*_: object) -> None:
        # Before uvicorn listens to signals itself, and again when it raises the one that stopped it.
        told_to_stop.set()
        server.should_exit = True

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, stop)
    start_beside()
    server.run(sockets=[listening])
    return server.started or told_to_stop.is_set()


def _serve_by_many(listening: socket.socket, workers: int, *, start_beside: Callable[[], None]) -> bool:
    """Serve by several processes, each replaced when it dies; whether it ended because it was told to."""
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    supervisor = Multiprocess(_server_settings(WORKER, workers=workers), [listening])  # takes the signals
    start_beside()
    supervisor.run()
    return all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)


def make_server() -> "uvicorn.Server":
    """The server, with the application loaded (its faults show here and not in the first request)."""
    import uvicorn

    return uvicorn.Server(_server_settings(APPLICATION))


def _server_settings(application: str, *, workers: int = 1) -> "uvicorn.Config":
    import uvicorn

    proxies = int(house.environment().read("ANDON_TRUSTED_PROXIES", "0") or 0)
    return uvicorn.Config(
        application,
        loop="auto",  # uvloop where there is one
        http=PROTOCOL,
        ws="none",
        lifespan="on",
        # Who may speak for a client is settled by ANDON_TRUSTED_PROXIES; without one nobody may.
        proxy_headers=proxies > 0,
        forwarded_allow_ips="*" if proxies > 0 else None,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=IDLE,
        workers=workers,
        timeout_worker_healthcheck=WORKER_SILENCE,
    )


def base_url() -> str:
    """The address under which people reach Andon."""
    from django.conf import settings

    return str(settings.BASE_URL)


def _start_engine() -> Any:
    from andon.engine import runner

    return runner.start_in_thread()


def _address_from(host: str, port: int) -> None:
    """Without ANDON_BASE_URL, links begin with the address that is listened on, before the settings are loaded."""
    if not os.environ.get("ANDON_BASE_URL"):
        os.environ["ANDON_BASE_URL"] = f"http://{shown_host(host)}:{port}"


def shown_host(host: str) -> str:
    """What people type for an address that is listened on; passkeys work on `localhost` and not on 127.0.0.1."""
    if host in {HOST, "::1", "0.0.0.0", "::", ""}:  # noqa: S104  compared, not bound
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _setup_link() -> str | None:
    from andon.people.actions import setup_link

    return setup_link()


def _say_start(address: str, host: str, port: int, *, engine: str, workers: int) -> None:
    from andon import __version__

    lines = [("Andon", __version__), ("Database", house.database_name()), ("Engine", engine), ("Address", address)]
    if _number_of(workers) > 1:
        lines.append(("Serving", f"{_number_of(workers)} processes"))
    if host != HOST or not address.endswith(f":{port}"):
        lines.append(("Listening on", f"{host}:{port}"))
    for name, value in lines:
        say.line(f"{name + ':':<14}{value}")


def _has_a_browser() -> bool:
    """Whether somebody sits in front of this machine with windows open; a browser in a terminal would be in the way."""
    if not sys.stdout.isatty() or (hasattr(os, "geteuid") and os.geteuid() == 0):
        return False
    return sys.platform in {"darwin", "win32"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
