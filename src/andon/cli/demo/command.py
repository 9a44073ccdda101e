"""The command: a data folder of its own, a server, an engine and phones in this process, the story, then the keys."""

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.cli import house, say
from andon.cli.say import Trouble
from andon.cli.serving import HOST, PORT, listen, make_server, shown_host
from andon.kit import clock

if TYPE_CHECKING:
    from andon.cli.demo.phones import Rang
    from andon.cli.demo.seed import World
    from andon.cli.demo.story import Step, Story

BEGINS_AGO = timedelta(minutes=35)
START_SECONDS = 90.0


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Stop after the story; exit code 0 only if all of it happened.")
    ] = False,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8321 when it is free.", min=1, max=65535)] = None,
    json: say.AsJson = False,
) -> None:
    """Play one incident, from a recorded alert to its review, on data of its own; then leave Andon running."""
    with played(once=once, port=port) as (world, story, address):
        _tell_end(story, world, address, once=once)
        if not once:
            story.phones.heard = _rang
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
            say.line("Stopped. Its data stays until the demo is started again.")


@contextmanager
def played(
    *, once: bool, port: int | None, told: "Callable[[Story, Step], None] | None" = None
) -> "Iterator[tuple[World, Story, str]]":
    """The story, told to its end; what it ran on, and its address, while the block lasts. `told` hears each step."""
    with ExitStack() as open_:
        listening = _listen(port)
        open_.callback(listening.close)
        address = f"http://{shown_host(HOST)}:{listening.getsockname()[1]}"
        _settings_of_its_own(open_.enter_context(_folder(once=once)), address)
        _end_on_sigterm()
        yield *_play(open_, listening, address, told), address


def _play(
    open_: ExitStack, listening: socket.socket, address: str, told: "Callable[[Story, Step], None] | None"
) -> "tuple[World, Story]":
    """Start everything, seed, tell the story."""
    import httpx

    from andon.cli.demo.clock import ElasticClock
    from andon.cli.demo.known_questions import watch_them
    from andon.cli.demo.lever import prepare
    from andon.cli.demo.phones import Phones
    from andon.cli.demo.replicas import REPLICAS, Replicas
    from andon.cli.demo.seed import Unseeded, seed
    from andon.cli.demo.story import DidNotHappen, Story

    house.set_up()
    elastic = ElasticClock(BEGINS_AGO)
    open_.enter_context(clock.use(elastic))
    phones = Phones()
    phones.start()
    open_.callback(phones.stop)
    say.line("Preparing a bank with seven people, two teams and three AI systems ...")
    house.migrate()
    try:
        world = seed(phones)
        log = watch_them(world, house.environment().log_dirs()[0], clock.now())
        _run_server(open_, listening)
        replicas = Replicas()
        open_.callback(replicas.stop)
        say.line(f"Starting the assistant's model server, {REPLICAS} guarded replicas, and rehearsing its lever ...")
        lever = prepare(world, replicas, address, house.environment().data_dir() / "replicas")
        http = open_.enter_context(httpx.Client(base_url=address, timeout=60))
        story = Story(http, world, phones, elastic, log, replicas, lever.number, tell=_tell, passing=_passing)
        if told is not None:
            story.tell = partial(told, story)
        _introduce(story, address)
        _run_engine(open_)
        story.run()
    except (DidNotHappen, Unseeded, OSError) as missing:
        raise Trouble(f"The demo stops here, because this did not happen: {missing}.", code=1) from missing
    return world, story


def _listen(port: int | None) -> socket.socket:
    """The port that was asked for; else the usual one, or any other while that is taken."""
    if port is not None:
        return listen(HOST, port)
    try:
        return listen(HOST, PORT)
    except Trouble:
        return listen(HOST, 0)


@contextmanager
def _folder(*, once: bool) -> Iterator[Path]:
    """A data folder of the demo's own: a temporary one for `--once`, else `demo` in the data folder, made anew."""
    if once:
        made = Path(tempfile.mkdtemp(prefix="andon-demo-"))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return
    folder = house.environment().make_data_dir() / "demo"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "running").open("w") as mark:
        _only_one(mark)
        for old in folder.iterdir():
            if old.name != "running":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        yield folder


def _only_one(mark: Any) -> None:
    """Hold the folder: a second demo must not empty it under the first."""
    import fcntl

    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Trouble("A demo is running on this machine already. Stop it first, or use that one.", code=1) from None


def _settings_of_its_own(folder: Path, address: str) -> None:
    """No setting of the machine's real Andon reaches the demo, least of all its database."""
    for name in [name for name in os.environ if name.startswith("ANDON_") and name != "ANDON_LOG_LEVEL"]:
        del os.environ[name]
    os.environ["ANDON_DATA_DIR"] = str(folder)
    os.environ["ANDON_BASE_URL"] = address
    os.environ["ANDON_ALLOW_PRIVATE_TARGETS"] = "true"  # the phones are on this machine
    os.environ.setdefault("ANDON_LOG_LEVEL", "error")


def _end_on_sigterm() -> None:
    """SIGTERM ends the demo as Ctrl-C does: through every `finally`, so that nothing is left running."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


def _run_server(open_: ExitStack, listening: socket.socket) -> None:
    server = make_server()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="server", daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(START_SECONDS)

    open_.callback(stop)
    deadline = clock.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or clock.monotonic() > deadline:
            raise Trouble("The demo's server did not start; the lines above say why.", code=1)
        thread.join(0.05)


def _run_engine(open_: ExitStack) -> None:
    from andon.engine import runner

    open_.callback(runner.start_in_thread().stop)


def _introduce(story: "Story", address: str) -> None:
    say.line(f"Andon runs at {address}, its engine beside it. Three systems are in production:")
    for slug, words in story.readiness():
        say.line(f"  {slug}: {words}")
    say.line("A watch tests the answers of the support assistant's language model to questions with known answers.")
    say.line(
        "The answers are made by chance, at the rates that were measured of two versions of GPT-4 in March and June"
    )
    say.line("2023 (Chen, Zaharia and Zou, arXiv 2307.09009): 84.0% right, then 51.1%. The change comes silently.")
    say.line("The demo's clock starts in the past and runs fast while people would wait, until it is now.")
    say.line("")


def _tell(step: "Step") -> None:
    from rich.text import Text

    say.line(Text.assemble((f"{step.at:%H:%M:%S}  ", "dim"), ("✓ ", "bold green"), (step.title, "bold")))
    if step.detail:
        say.line(Text(f"            {step.detail}", "dim"))


@contextmanager
def _passing(what: str, seconds: float) -> Iterator[None]:
    """Show that time passes, and let it."""
    from rich.progress import BarColumn, Progress, TextColumn

    ends = clock.monotonic() + seconds
    bar = Progress(
        TextColumn("          … {task.description}"), BarColumn(), console=say.console(), transient=True,
        disable=say.to_machine() or not sys.stdout.isatty(),
    )  # fmt: skip
    pause = threading.Event()
    with bar:
        task = bar.add_task(what, total=seconds)
        while (left := ends - clock.monotonic()) > 0:
            pause.wait(min(0.1, left))
            bar.update(task, completed=seconds - left)
    from rich.text import Text

    say.line(Text(f"          … {what}", "dim"))
    yield


def _tell_end(story: "Story", world: "World", address: str, *, once: bool) -> None:
    admin = world.people["nadia"]
    data = {
        "ok": True,
        "address": address,
        "incident": f"{address}/incidents/{story.number}",
        "review": f"{address}/reviews/{story.number}",
        "sign_in": {"email": admin.email, "password": world.password},
        "steps": [{"key": s.key, "at": s.at, "title": s.title, "detail": s.detail} for s in story.steps],
    }
    if once:
        data = {key: data[key] for key in ("ok", "steps")}

    def show() -> list[str]:
        if once:
            return ["", f"Every one of {len(story.steps)} steps happened."]
        return [
            "",
            f"Look at it:  {data['incident']}",
            f"Its review:  {data['review']}",
            f"Sign in as   {admin.email}",
            f"Password     {world.password}   (made for this demo)",
            "",
            "Stop with Ctrl-C. Declare an incident there, and the phones of the demo ring here:",
        ]

    say.answer(data, show)
    sys.stdout.flush()


def _rang(message: "Rang") -> None:
    say.line(f"{clock.now():%H:%M:%S}  {message.data['to']}'s phone: {message.data['headline']}")
    say.line(f"          acknowledge: {message.data['link']}")
