"""`andon handbook`: the practice as files. Write a copy, check it, see what would change, put it in force."""

import json as jsons
from pathlib import Path
from typing import Annotated, Any

import typer

from andon.cli import house, say
from andon.cli.group import commands
from andon.cli.say import Trouble

app = commands("Keep the practice in files: protocols, severity, review, runbooks, watches.")
Folder = Annotated[Path, typer.Argument(help="The folder of the handbook.")]
As = Annotated[
    str,
    typer.Option("--as", help="E-mail address of the administrator who applies; else your account on this machine."),
]
MISTAKES = 1
SCHEMAS = ".schema"


@app.command()
def init(folder: Folder, json: say.AsJson = False) -> None:
    """Write a handbook to start from, with comments, and the schemas by which editors complete it.

    A file that is there stays as it is, so this also adds what a newer version of Andon asks for.
    """
    from andon.handbook.book import texts_of
    from andon.handbook.source import shipped

    written = _write(folder, texts_of(shipped()) | _schemas(), keep=True)
    new = "One file is" if len(written) == 1 else f"{len(written)} files are"
    told = f"{new} new in {folder}." if written else f"{folder} has every file already."
    say.answer({"folder": str(folder), "written": written}, lambda: [*written, told])


@app.command()
def check(folder: Folder, json: say.AsJson = False) -> None:
    """Look for mistakes in every file; exits with 1 if there are any. Needs no database."""
    mistakes = _mistakes(folder)
    rows = [{"file": one.file, "line": one.line, "place": one.place, "what": one.what} for one in mistakes]
    say.answer(
        {"folder": str(folder), "mistakes": rows},
        lambda: [_line(folder, one) for one in mistakes] or [f"{folder} can be applied: no file has a mistake."],
    )
    if mistakes:
        raise typer.Exit(MISTAKES)


@app.command()
def diff(folder: Folder, json: say.AsJson = False) -> None:
    """Say in words what would change if the folder were applied. Nothing is written."""
    house.enter()
    from andon.handbook.differences import differences
    from andon.handbook.queries import texts_in_force

    found = differences(texts_in_force(), _texts(folder))
    _tell(found, {"folder": str(folder)}, "Nothing would change.")


@app.command()
def apply(
    folder: Folder,
    note: Annotated[str, typer.Option(help="Where it comes from: the commit, or what it is for.")] = "",
    on_behalf_of: As = "",
    json: say.AsJson = False,
) -> None:
    """Put the folder in force, for every replica at once. The same folder again changes nothing.

    Incidents that are open keep the handbook that they opened with.
    """
    texts = _texts(folder)
    house.enter()
    from andon.handbook import actions

    by = house.actor(on_behalf_of) if on_behalf_of else house.signed_operator()
    done = actions.apply(texts, by=by, note=note)
    row = done.application
    told = f"Handbook {row.number} is in force" + ("." if done.new else " already; nothing was written.")
    more = {"number": row.number, "digest": row.edition.digest, "at": row.created_at, "by": row.who, "new": done.new}
    _tell(list(done.changes), more, told, last=told)


@app.command()
def export(folder: Folder, json: say.AsJson = False) -> None:
    """Write what is in force into a folder, which must be empty or not there yet."""
    house.enter()
    from andon.handbook.queries import texts_in_force

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Trouble(f"{folder} is not an empty folder. Name another one: nothing of yours is overwritten.")
    written = _write(folder, texts_in_force() | _schemas(), keep=False)
    say.answer({"folder": str(folder), "written": written}, lambda: f"{len(written)} files were written to {folder}.")


@app.command()
def schema(
    name: Annotated[
        str,
        typer.Argument(
            help="protocol, severity, review, calendar, watches, columns or handbook; all of them if left out."
        ),
    ] = "",
    json: say.AsJson = False,
) -> None:
    """Print the JSON Schema (2020-12) by which a kind of file is written."""
    from andon.handbook.files import schemas

    found = schemas()
    if name and name not in found:
        raise Trouble(f"There is no schema {name!r}. Name one of: {', '.join(found)}.")
    typer.echo(_pretty(found[name] if name else found))


def _tell(changes: list[Any], more: dict[str, Any], none: str, *, last: str = "") -> None:
    """What changes, as sentences or as data."""
    from rich.text import Text

    rows = [{"file": one.file, "place": one.place, "says": one.says} for one in changes]
    told = [Text.assemble((f"{one.file} ", "bold"), f"{one.place} " if one.place else "", one.says) for one in changes]
    say.answer({**more, "changes": rows}, lambda: [*told, *([last] if last and changes else [] if changes else [none])])


def _mistakes(folder: Path) -> list[Any]:
    """What is wrong in a folder, checked by every slice that has a say in it."""
    if not folder.is_dir():
        raise Trouble(f"There is no folder {folder}. `andon handbook init {folder}` writes one to start from.")
    house.set_up()
    from andon.handbook.book import check as look

    return look(folder)


def _texts(folder: Path) -> dict[str, str]:
    """The texts of a folder that has no mistakes; else they are told, and the command ends."""
    if mistakes := _mistakes(folder):
        for one in mistakes[1:]:
            say.problem(_line(folder, one))
        raise Trouble(_line(folder, mistakes[0]), code=MISTAKES)
    from andon.handbook.book import texts_of

    return texts_of(folder)


def _line(folder: Path, mistake: Any) -> str:
    """A mistake as compilers write it, so that editors and CI jump to it."""
    at = f":{mistake.line}" if mistake.line else ""
    return f"{folder / mistake.file}{at}: {f'{mistake.place}: ' if mistake.place else ''}{mistake.what}"


def _schemas() -> dict[str, str]:
    from andon.handbook.files import schemas

    return {f"{SCHEMAS}/{name}.json": _pretty(found) + "\n" for name, found in schemas().items()}


def _pretty(value: Any) -> str:
    return jsons.dumps(value, indent=2, ensure_ascii=False)


def _write(folder: Path, texts: dict[str, str], *, keep: bool) -> list[str]:
    """Write texts into a folder; with `keep` those that are there stay. Schemas are always those of this version."""
    written = []
    try:
        for path, text in texts.items():
            file = folder / path
            ours = path.startswith(f"{SCHEMAS}/")
            if file.exists() and ((keep and not ours) or file.read_text(encoding="utf-8") == text):
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise Trouble(f"{error.filename or folder} cannot be written: {error.strerror}.") from error
    return written
