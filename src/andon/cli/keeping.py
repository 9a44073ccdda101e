"""`andon backup` and `andon restore`: the whole database to a file and back, and the keys that make it readable."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from andon.cli import dumps, house, say
from andon.cli.looking import verify_everything
from andon.cli.say import Trouble

KEYS = {"secret_key": "ANDON_SECRET_KEY", "field_keys": "ANDON_FIELD_KEYS"}
"""Files of the data folder, and the settings that take their place."""


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    with_keys: Annotated[bool, typer.Option("--with-keys", help="Write the keys beside it, to FILE.keys.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    json: say.AsJson = False,
) -> None:
    """Back the database up to one file while Andon runs. SQLite: a copy; PostgreSQL: pg_dump's custom format."""
    house.enter()
    keys = keys_file(file)
    for path in [file, keys] if with_keys else [file]:
        if path.exists() and not force:
            raise Trouble(f"{path} is there already. Choose another name, or replace it with --force.", code=1)
    dumps.find().save(file)
    if with_keys:
        _write_private(keys, _present_keys())
    size = file.stat().st_size
    data = {
        "file": str(file),
        "bytes": size,
        "keys": str(keys) if with_keys else None,
        "database": house.database_name(),
    }

    def show() -> list[Any]:
        from rich.text import Text

        wrote = f"Wrote {file} ({size / 1_048_576:.1f} MiB)."
        if with_keys:
            warning = f"Wrote {keys}. Whoever has both files can read everything: keep them apart."
            return [wrote, Text(warning, "yellow")]
        warning = "Without its keys this backup is of no use. Keep these too, apart from it:"
        return [wrote, Text(warning, "bold yellow"), *(f"  {place}" for place in _places_of_keys())]

    say.answer(data, show)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `andon backup` wrote.", exists=True, dir_okay=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Replace a database that has something in it.")] = False,
    with_keys: Annotated[bool, typer.Option("--with-keys", help="Take the keys from FILE.keys into use.")] = False,
    json: say.AsJson = False,
) -> None:
    """Put a backup in the place of the database, then verify it: versions, keys, every timeline. Stop Andon first."""
    house.set_up()
    house.knock()
    dump = dumps.find()
    dump.check(file)
    keys = _read_keys(keys_file(file)) if with_keys else {}
    _must_be_replaceable(replace=replace)
    dump.load(file)
    if keys:
        _take_into_use(keys)
    ran = house.migrate()
    readable = house.keys_fit()
    broken, verified, entries = verify_everything()
    data = {
        "file": str(file), "database": house.database_name(), "migrations": ran, "keys_fit": readable,
        "timelines": verified, "entries": entries, "problems": len(broken),
    }  # fmt: skip

    def show() -> list[Any]:
        lines = [f"Restored {house.database_name()} from {file}."]
        lines += [f"It was of an earlier version: {ran} migrations ran."] if ran else []
        lines += (
            [f"Intact: {verified} timeline{'s' if verified != 1 else ''}, {entries} entries."] if not broken else []
        )
        return lines

    say.answer(data, show)
    if broken:
        raise Trouble(f"{len(broken)} problems in the restored timelines: run `andon verify`.", code=1)
    if not readable:
        raise Trouble(
            "The keys in use do not fit this backup: contacts and secrets cannot be read. Put the keys that were kept "
            f"with it into ANDON_FIELD_KEYS and ANDON_SECRET_KEY, or restore again --with-keys ({keys_file(file)}).",
            code=1,
        )


def keys_file(file: Path) -> Path:
    """Where the keys of a backup are."""
    return file.with_name(f"{file.name}.keys")


def _must_be_replaceable(*, replace: bool) -> None:
    """Refuse while an engine runs, and where there is something to lose."""
    from django.db import connection

    tables = set(connection.introspection.table_names()) if _reachable() else set()
    if "people_person" not in tables:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM people_person")
        people = int(cursor.fetchone()[0])
    if people and not replace:
        raise Trouble(
            f"{house.database_name()} has something in it ({people} people). Back it up, then restore with --replace.",
            code=1,
        )
    if _engines_running(tables):
        raise Trouble("Andon is running on this database. Stop it first, then restore.", code=1)


def _reachable() -> bool:
    file = house.database_file()
    return file is None or file.exists()


def _engines_running(tables: set[str]) -> bool:
    from andon.engine import beats
    from andon.engine.models import EngineBeat
    from andon.kit import clock

    return EngineBeat._meta.db_table in tables and beats.running(clock.now())  # noqa: SLF001  Django's documented name


def _places_of_keys() -> list[str]:
    environment = house.environment()
    folder = environment.data_dir()
    return [
        f"the value of {name} in the environment" if environment.read(name) else str(folder / filename)
        for filename, name in KEYS.items()
    ]


def _present_keys() -> dict[str, str]:
    environment = house.environment()
    return {"secret_key": environment.secret_key(), "field_keys": ",".join(environment.field_keys())}


def _read_keys(path: Path) -> dict[str, str]:
    import json

    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(found[name]) for name in KEYS}
    except FileNotFoundError:
        raise Trouble(f"There is no {path}; the backup was written without --with-keys.", code=1) from None
    except (ValueError, KeyError, TypeError):
        raise Trouble(f"{path} is not a file of keys that `andon backup --with-keys` wrote.", code=1) from None


def _take_into_use(keys: dict[str, str]) -> None:
    """Keep the keys in the data folder, the ones before beside them; the environment's own are for people to change."""
    from django.conf import settings

    environment = house.environment()
    for filename, name in KEYS.items():
        if environment.read(name):
            if environment.read(name) != keys[filename]:
                raise Trouble(
                    f"{name} is set in the environment and differs from the backup's: set it to that, or unset it."
                )
            continue
        path = environment.make_data_dir() / filename
        if path.exists() and path.read_text().strip() != keys[filename]:
            path.replace(path.with_name(f"{filename}.before-restore"))
        _write_private_text(path, keys[filename] + "\n")
    settings.FIELD_KEYS = [key.strip() for key in keys["field_keys"].split(",") if key.strip()]


def _write_private(path: Path, data: dict[str, str]) -> None:
    import json

    _write_private_text(path, json.dumps(data, indent=2) + "\n")


def _write_private_text(path: Path, text: str) -> None:
    """A file that only its owner reads, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
