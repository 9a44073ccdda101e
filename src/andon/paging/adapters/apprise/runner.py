"""Sends one message by Apprise: the task comes as JSON on standard input, what became of it goes out as a line of JSON.

Before Apprise runs, a guard is put in that Python cannot take out again (`sys.addaudithook`). It judges every address
at the moment of connecting, so that neither a redirect nor a name that answers differently the second time leads to a
private or metadata address, and it lets no program be started and no file be written.

It is run as a file and not as a module, because it needs nothing of Andon but the judgement of addresses.
"""

import ipaddress
import json
import logging
import os
import re
import sys
from typing import Any

from andon.kit.outbound import refusal

_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_STARTING = ("subprocess.", "os.exec", "os.spawn", "os.posix_spawn", "os.system", "os.fork", "os.startfile", "pty.")
_CHANGING = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink", "shutil.",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_STATUS = re.compile(r"error[= ]+(?P<status>[1-5][0-9]{2})\b")
_FOR_GOOD = frozenset({"400", "401", "403", "404", "410"})


class Refused(Exception):  # noqa: N818  reads as what it is
    """The guard let something not happen."""


class Guard:
    """Judges what the plugin does; `stopped` says what it was not let do."""

    def __init__(self, *, allow_private: bool) -> None:
        self.allow_private = allow_private
        self.stopped = ""

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called by Python at each of its audit events; raising lets it not happen."""
        if event in _CONNECTING:
            self._judge(arguments[1])
        elif event.startswith(_STARTING):
            self._stop("It would start a program.")
        elif event.startswith(_CHANGING) or (event == "open" and _writes(arguments)):
            self._stop("It would write a file.")

    def _judge(self, address: Any) -> None:
        if not isinstance(address, tuple):
            self._stop("It would connect to this machine.")
        host = ipaddress.ip_address(str(address[0]).partition("%")[0])
        if why := refusal(host, allow_private=self.allow_private):
            self._stop(why)

    def _stop(self, why: str) -> None:
        self.stopped = why
        raise Refused(why)


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(flags, int) and flags & _WRITING:
        return True
    return isinstance(mode, str) and any(sign in mode for sign in "wax+")


class Heard(logging.Handler):
    """Keeps the last HTTP status that a plugin logs, and nothing else of what it says: that may hold keys."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.status = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one line."""
        if found := _STATUS.search(record.getMessage()):
            self.status = found["status"]


def main() -> None:
    """Read the task, do it, and say what came of it."""
    sys.dont_write_bytecode = True
    task = json.load(sys.stdin)
    said = check(task["check"]) if "check" in task else send(task)
    sys.stdout.write(json.dumps(said) + "\n")


def check(url: str) -> dict[str, Any]:
    """Whether the installed Apprise can read a URL, and why not."""
    from apprise import Apprise
    from apprise.manager_plugins import NotificationManager

    manager: Any = NotificationManager  # Apprise has no types here
    plugin = manager()[url.partition("://")[0].lower()]
    if plugin is None:
        return {"readable": False, "reason": "The installed Apprise does not know this service."}
    if not plugin.enabled:
        packages = plugin.requirements["packages_required"]
        needs = packages if isinstance(packages, str) else ", ".join(packages)
        return {
            "readable": False,
            "reason": f"This service needs {needs or 'a further package'}, which is not installed beside Andon.",
        }
    if Apprise.instantiate(url, suppress_exceptions=True) is None:
        return {
            "readable": False,
            "reason": "Apprise cannot read this URL; its documentation shows what belongs in it.",
        }
    return {"readable": True}


def send(task: dict[str, Any]) -> dict[str, Any]:
    """Send a message, under the guard."""
    from apprise import Apprise, AppriseAsset, NotifyType, PersistentStoreMode

    heard, guard = Heard(), Guard(allow_private=bool(task["allow_private"]))
    logging.getLogger("apprise").addHandler(heard)
    asset = AppriseAsset(app_id="Andon", app_desc="Andon", async_mode=False, storage_mode=PersistentStoreMode.MEMORY)
    service = Apprise(asset=asset)
    if not service.add(task["url"]):
        reason = "Apprise cannot read this URL any more, or lacks a part that the service needs."
        return {"outcome": "broken", "reason": reason}
    sys.addaudithook(guard)
    kind = NotifyType.FAILURE if task["urgent"] else NotifyType.WARNING
    taken = service.notify(title=task["title"], body=task["body"], notify_type=kind)
    outcome, reason = judge(taken=bool(taken), stopped=guard.stopped, status=heard.status)
    return {"outcome": outcome, "reason": reason}


def judge(*, taken: bool, stopped: str, status: str) -> tuple[str, str]:
    """An outcome (see `andon.paging.channel`) and why, from what Apprise, the guard and the log say. Pure."""
    if taken:
        return "sent", ""
    if stopped:
        return "broken", f"Andon did not let Apprise do this. {stopped}"
    if status in _FOR_GOOD:
        return "broken", f"The service answered {status}: it does not take messages under this URL."
    if status:
        return "retry", f"The service answered {status}."
    return "retry", "The service did not take the message, or did not answer."


if __name__ == "__main__":
    main()
