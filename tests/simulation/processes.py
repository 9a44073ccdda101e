"""The processes of the installation: servers that take signals, engines, desks at which people act.

Each is a thread that takes turns, with what a real process holds in memory. When it dies, only rows stay.
"""

import asyncio
import gc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from andon.engine.loop import Engine, build
from andon.engine.modules import Delivery
from andon.intake.asgi import IntakeApp
from andon.intake.writer import Writer
from andon.paging.sending import Letter
from tests.simulation.chance import Chance
from tests.simulation.senders import Post
from tests.simulation.worker import Worker

if TYPE_CHECKING:
    from tests.simulation.provider import Providers

SENDERS = 6


class Process:
    """One process: alive or dead, and its life so far.

    Attributes:
        role: What it is one of: several of one role are replicas.
        overtaken: Whether a replica has committed since it began what it is doing.
    """

    role: ClassVar[str]

    def __init__(self, name: str, chance: Chance) -> None:
        self.name = name
        self.chance = chance
        self.worker = Worker(name, chance)
        self.alive = False
        self.lives = 0
        self.doing = ""
        self.overtaken = False

    @property
    def idle(self) -> bool:
        return self.alive and not self.worker.busy

    def start(self) -> None:
        """Begin a life with an empty memory."""
        self.alive = True
        self.lives += 1

    def die(self) -> None:
        """Lose the memory."""
        self.alive = False

    def begin(self, doing: str, job: Callable[[], Any]) -> None:
        self.doing, self.overtaken = doing, False
        self.worker.begin(job)

    def end(self) -> None:
        self.die()
        self.worker.end()


class SteppedWriter(Writer):
    """The writer of signals without its thread: whoever holds the baton writes what waits."""

    def start(self) -> None:
        """Nobody runs beside."""

    def step(self) -> None:
        """One round of the thread."""
        self._write(self._take())

    @property
    def waiting(self) -> int:
        return len(self._queue)


class Server(Process):
    """`andon serve`: the intake, over its ASGI interface, with the real writer.

    Attributes:
        answered: The status of each request that it took last; None where it died before it answered.
        at_once: How many requests went the short way.
    """

    role = "server"

    def __init__(self, name: str, chance: Chance) -> None:
        super().__init__(name, chance)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._app: IntakeApp | None = None
        self._writer: SteppedWriter | None = None
        self.answered: list[int | None] = []
        self.at_once = 0

    def start(self) -> None:
        super().start()
        self._loop = asyncio.new_event_loop()
        self._writer = SteppedWriter()
        self._app = IntakeApp(self._writer)
        self._loop.run_until_complete(self._app.start())
        gc.unfreeze()  # a server is started hundreds of times here, and once in a real process

    def die(self) -> None:
        super().die()
        if self._loop is not None and self._app is not None:
            self._app._doors.close()  # type: ignore[union-attr]
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(_let_go())
            self._loop.close()
        self._loop = self._app = self._writer = None

    def take(self, posts: Sequence[Post], whole: Sequence[bool]) -> list[int]:
        """Answer requests that come in at once; the status of each. Runs in the worker.

        Those that come `whole`, in one read, are offered to the short way first, as `andon.site.protocol` offers them.
        """
        assert self._loop is not None
        assert self._writer is not None
        tasks = [self._loop.create_task(self._answer(*one)) for one in zip(posts, whole, strict=True)]
        try:
            self._answer_all(tasks)
        finally:  # also when it dies: what went out before is out
            self._loop.run_until_complete(_let_go())
            self.answered = [task.result() if task.done() and not task.exception() else None for task in tasks]
        for task in tasks:
            if error := task.exception():
                raise error
        return [task.result() for task in tasks]

    def _answer_all(self, tasks: "Sequence[asyncio.Task[int]]") -> None:
        """Let the requests come in, write what waits, and so on until all are answered."""
        assert self._loop is not None
        assert self._writer is not None
        while not all(task.done() for task in tasks):
            self._loop.run_until_complete(asyncio.sleep(0))
            settled = sum(task.done() for task in tasks) + self._writer.waiting
            if settled == len(tasks) and self._writer.waiting:
                self._writer.step()

    async def _answer(self, post: Post, whole: bool) -> int:
        """One request: the short way, or through the application."""
        assert self._app is not None
        body = post.body
        given = {"authorization": f"Bearer {post.sender.token}", "content-type": "application/json"}
        given["content-length"] = str(len(body))
        asker = Asked()
        if whole:  # virtual time goes in steps that are long for a memory of seconds: its sender was heard just now
            await self._app.admit(post.sender.kind, post.sender.slug, post.sender.token)
        if whole and self._app.take_at_once(post.sender.path, b"", given, body, asker):
            self.at_once += 1
            return await asker.status
        scope = {
            "type": "http", "method": "POST", "path": post.sender.path, "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }  # fmt: skip
        status = 0

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]

        await self._app(scope, receive, send)
        return status


class Asked:
    """The connection of a request that went the short way: the status that it is answered with, once."""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def answer(
        self,
        status: int,
        body: bytes,
        headers: Sequence[tuple[bytes, bytes]] = (),
        content_type: bytes = b"application/json",
    ) -> None:
        """The answer goes out; a second one would be a fault of the intake's."""
        self.status.set_result(status)


async def _let_go() -> None:
    """Let cancelled requests end."""
    for _ in range(3):
        await asyncio.sleep(0)


class Wire:
    """In place of the engine's pool of sender threads: what is on the wire arrives when, and in the order that, the
    scheduler says. A slow channel is one whose turn comes late."""

    def __init__(self, begin: Callable[[Letter], Any]) -> None:
        self._begin = begin
        self.letters: list[tuple[Any, Callable[[], None]]] = []
        self.attempt: Any = None

    def submit(self, send: Callable[[Letter], None], letter: Letter) -> None:
        """A thread would begin to send at once."""
        self.letters.append((self._begin(letter), lambda: send(letter)))

    def arrive(self, index: int) -> None:
        """One of the letters reaches its provider, and the answer comes back."""
        self.attempt, send = self.letters.pop(index)
        send()

    def shutdown(self, *, wait: bool) -> None:
        """An engine that is told to stop waits for what is on the wire; here engines only ever die."""


class EngineProcess(Process):
    """`andon engine`: the real loop, one round at a time.

    Attributes:
        beside: Whether pages are sent beside the loop, as in production, or in it, one after the other.
        round_began: The step of the run at which its present round began.
        round_passed: The virtual seconds that had passed then.
        round_jumps: How often the clock had jumped by then.
        owes: Whether a provider has answered since, so that there is something to settle.
    """

    role = "engine"

    def __init__(self, name: str, chance: Chance, providers: "Providers", *, beside: bool) -> None:
        super().__init__(name, chance)
        self._providers = providers
        self.beside = beside
        self.engine: Engine | None = None
        self.wire = self._new_wire()
        self.round_began = 0
        self.round_passed = 0.0
        self.round_jumps = 0
        self.owes = False

    def start(self) -> None:
        super().start()
        self.engine = build(find=self._providers.of(self), senders=0)
        self.engine.name = self.name  # the host and the process's number differ from run to run
        self.wire = self._new_wire()
        for module in self.engine.modules:
            if isinstance(module, Delivery):
                module._engine = self.name
                if self.beside:
                    module._senders, module._pool = SENDERS, self.wire  # type: ignore[assignment]
                    # The loop waits a moment for answers; here they come when the scheduler says, and never meanwhile.
                    module._come_back = lambda: False  # type: ignore[method-assign]

    def die(self) -> None:
        super().die()
        self.engine = None

    def _new_wire(self) -> Wire:
        return Wire(lambda letter: self._providers.begin(self, letter.message))

    def round(self, limit: int) -> int:
        """One round of the loop. Runs in the worker."""
        assert self.engine is not None
        return self.engine.run_once(limit=limit)


class Desk(Process):
    """A server's process in which somebody acts: one request at a time."""

    role = "desk"
