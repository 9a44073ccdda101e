"""The whole of Andon as one ASGI application: our own small router in front, Django behind it.

Intake, live streams and the kill switch are answered here, asynchronously; everything else goes to Django as WSGI in a
thread pool, which serves Django's views several times faster than native ASGI does (docs/adr/0004).
"""

import multiprocessing
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "andon.site.settings")
django.setup(set_prefix=False)

from a2wsgi import WSGIMiddleware  # noqa: E402  Django must be set up before its applications are imported
from django.conf import settings  # noqa: E402

from andon.intake.asgi import IntakeApp  # noqa: E402
from andon.intake.mail import Listener  # noqa: E402
from andon.site.wsgi import application as django_wsgi  # noqa: E402
from andon.switch.asgi import GuardApp  # noqa: E402
from andon.switch.ofrep import OfrepApp  # noqa: E402
from andon.web.live import LiveApp  # noqa: E402

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

WORKERS = 16


class Router:
    """Sends each request to the part that answers it, by the first segment of its path."""

    def __init__(self) -> None:
        self.intake = IntakeApp()
        self.live = LiveApp()
        self.guard = GuardApp()
        self.ofrep = OfrepApp(self.guard)
        self.mail: Listener | None = None
        # a2wsgi's types and Django's name the same things differently; the protocols are PEP 3333 and ASGI 3.
        self.django: Any = WSGIMiddleware(cast("Any", django_wsgi), workers=WORKERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one connection; start and stop the parts with the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] != "http":
            raise RuntimeError(f"Andon serves HTTP, not {scope['type']}.")
        elif scope["path"].startswith(("/intake/", "/v2/")):
            await self.intake(scope, receive, send)
        elif scope["path"].startswith("/live/"):
            await self.live(scope, receive, send)
        elif scope["path"].startswith("/guard/"):
            await self.guard(scope, receive, send)
        elif scope["path"].startswith("/ofrep/"):
            await self.ofrep(scope, receive, send)
        else:
            await self.django(scope, receive, send)

    async def _take_mail(self) -> str:
        """Listen for mail, if a setting says where; one of several processes shares the port with the others.

        Returns why that cannot be done, in words; empty when all is well.
        """
        if not settings.SMTP_LISTEN:
            return ""
        among_many = multiprocessing.parent_process() is not None
        mail = Listener(self.intake, settings.SMTP_LISTEN, shared=among_many)
        try:
            await mail.start()
        except OSError as error:
            return f"Cannot take mail on {settings.SMTP_LISTEN}: {error}. Change ANDON_SMTP_LISTEN, or leave it out."
        self.mail = mail
        return ""

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.intake.start()
                await self.live.start()
                await self.guard.start()
                if problem := await self._take_mail():
                    await self.guard.stop()
                    await self.live.stop()
                    await self.intake.stop()
                    await send({"type": "lifespan.startup.failed", "message": problem})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self.mail is not None:
                    await self.mail.stop()
                await self.guard.stop()
                await self.live.stop()
                await self.intake.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


application = Router()
