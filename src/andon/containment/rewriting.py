"""Rewriting a file that a server reads: whole or not at all, tested before it is taken up, and put back if it fails.

The new text is written beside the file and renamed over it (POSIX: nobody ever reads half of it); owner and mode stay.
"""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

from andon.containment import serving
from andon.containment.allowed import Rewritten, file
from andon.containment.lever import LeverFault, Plan, Seen
from andon.containment.programs import run
from andon.kit.fields import Settings

LARGEST: Final = 16 * 1024
"""Bytes of a file that levers rewrite: it is kept whole with the pull, so that an undo brings it back."""


def text_of(entry: Rewritten) -> str:
    """What the file holds. Raises `LeverFault`, surely."""
    try:
        with entry.path.open("rb") as opened:
            raw = opened.read(LARGEST + 1)
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LeverFault(f"{entry.path} cannot be read: {error}", sure=True) from error
    if len(raw) > LARGEST:
        raise LeverFault(f"{entry.path} is larger than {LARGEST:,} bytes; give levers a file of their own.", sure=True)
    return text


def put(entry: Rewritten, text: str, key: str) -> str:
    """Make the file hold the text, test it, have it taken up; what was done, in words.

    Raises `LeverFault`: surely where the file is as it was, because the new one did not pass the test; not surely where
    the server was told and said that it failed.
    """
    before = text_of(entry)
    replace(entry.path, text)
    if entry.test:
        try:
            tested = run(entry.test, key)
            refusal = "" if tested.status == 0 else tested.said
        except LeverFault as fault:
            refusal = fault.text
        if refusal:
            replace(entry.path, before)
            raise LeverFault(
                f"The new {entry.path.name} did not pass its test and was taken back: {refusal}", sure=True
            )
    if entry.apply:
        applied = run(entry.apply, key)
        if applied.status:
            raise LeverFault(f"{entry.path.name} is rewritten, but was not taken up: {applied.said}", sure=False)
        return f"{entry.path.name} was rewritten and {entry.apply.name} was told."
    return f"{entry.path.name} was rewritten."


def replace(path: Path, text: str) -> None:
    """Put the text in the file's place. Raises `LeverFault`, surely: the file is then as it was."""
    beside = None
    try:
        status = path.stat()
        descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(text.encode())
            os.fchmod(opened.fileno(), status.st_mode & 0o7777)
            if os.geteuid() == 0:
                os.fchown(opened.fileno(), status.st_uid, status.st_gid)
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(beside, path)  # noqa: PTH105  as the docstring says
    except OSError as error:
        if beside is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)  # noqa: PTH108
        raise LeverFault(f"{path} cannot be rewritten: {error}", sure=True) from error


def served(settings: Settings, plan: Plan, pulled: str) -> Seen:
    """Whether a rewritten file is as expected and the serving address shows what it must then."""
    try:
        text = text_of(file(settings["file"]))
    except LeverFault as fault:
        return Seen.unclear(fault.text)
    if text != plan.expected["text"]:
        return Seen.no(f"{settings['file']} does not hold what it should.")
    wanted = settings["shown"] if text == pulled else settings.get("shown_before")
    if not wanted:
        return Seen.unclear("The file is as it was; what the serving address should show then is not said.")
    return serving.look(settings, wanted)
