"""Writes the pages of docs that come from the code: settings, commands, API, rules, senders, levers (`make docs`).

A test and `make check` hold that the committed pages are current, so none of these can be undocumented.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
SENDERS = "../how-to/senders"
LEVERS = "../how-to/levers"
NOTE = "<!-- Written by `make docs` from the code; edit the code, then run it again. -->\n"


def prepare() -> None:
    """Load the code under settings that touch nothing of this machine's own Andon."""
    if "DJANGO_SETTINGS_MODULE" not in os.environ:
        for name in [name for name in os.environ if name.startswith("ANDON_")]:
            del os.environ[name]
        os.environ["DJANGO_SETTINGS_MODULE"] = "andon.site.settings"
        os.environ["ANDON_DATA_DIR"] = tempfile.mkdtemp(prefix="andon-docs-")
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()


def pages() -> dict[str, str]:
    """Every generated page: name of the file and its text."""
    prepare()
    written = {"settings.md": settings_page(), "cli.md": cli_page(), "api.md": api_page(), "rules.md": rules_page()}
    written["handbook.md"] = handbook_page()
    written["runbooks.md"] = runbooks_page()
    written |= {f"{SENDERS}/{name}": text for name, text in sender_pages().items()}
    return written | {f"{LEVERS}/{name}": text for name, text in lever_pages().items()}


def stale() -> Iterator[str]:
    """The pages that are not as the code says."""
    for name, text in pages().items():
        file = FOLDER / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            yield f"{_shown(file)} is not what the code says: run make docs"


def sender_pages() -> dict[str, str]:
    """A page for each kind of sender, from the help that its integration shows; and the list of them."""
    from andon.intake.adapters import adapters

    groups: dict[str, list[str]] = {}
    for kind, sender in adapters().items():
        groups.setdefault(sender.group, []).append(f"| [{sender.title}]({kind}.md) | {_cell(sender.line)} |")
    head = "| sender | what Andon takes |\n|---|---|\n"
    listed = "\n\n".join(f"## {group}\n\n{head}" + "\n".join(rows) for group, rows in sorted(groups.items()))
    found = {f"{kind}.md": _sender_page(kind, sender) for kind, sender in adapters().items()}
    return {"README.md": f"# Senders of signals\n\n{NOTE}\n{listed}\n"} | found


def _sender_page(kind: str, sender: Any) -> str:
    from andon.intake.adapters import help_text
    from andon.kit.spans import span

    token = "0123456789abcdef0123456789abcdef" if sender.short_token else "andon_in_…"
    text = help_text(kind, address=f"https://andon.example.org/intake/{kind}/production", token=token)
    own = [f"| {field.label} | {_cell(field.help)} |" for field in sender.fields]
    if sender.signed_by:
        meaning = "What the sender signs with. Once it is set, every request must be signed, and needs no token."
        own.append(f"| {sender.signed_by} | {meaning} |")
    asked = ["", "| it asks for | meaning |", "|---|---|", *own] if own else []
    after = span(sender.auto_close) if sender.auto_close else ""
    closes = ["", f"A signal that is not heard of again within {after} counts as ended."] if after else []
    return "\n".join(
        [
            f"# Connect {sender.title}", "", NOTE, sender.line, "",
            f"Under *Integrations*, choose *Connect a sender*, then *{sender.title}*. You need the role lead. The page",
            "that follows shows what stands here with your own address and token. A test signal from there says what",
            "Andon makes of a body, and leaves nothing behind.",
            *asked, *closes, "", "## On the sender's side", "", text.strip(), "",
        ]
    )  # fmt: skip


def lever_pages() -> dict[str, str]:
    """A page for each kind of lever, from the help that its form shows; and the list of them."""
    from andon.containment.adapters import all_of_them

    rows = [f"| [{one.title}]({one.kind}.md) | {_cell(one.line)} | {_does(one)} |" for one in all_of_them()]
    listed = "\n".join(["| lever | what it does | it can |", "|---|---|---|", *rows])
    intro = (
        "A lever is a containment action that was prepared before the night on which it is needed. Set one up on\n"
        "the page of its system, look at its dry run, rehearse it; on an incident it is then one press. Whatever\n"
        "its kind, it can be given a probe of its own: a request to what serves decisions, and what the answer must\n"
        "be. Andon calls targets on private addresses only where whoever runs it has set `ANDON_ALLOW_PRIVATE_TARGETS`."
    )
    found = {f"{one.kind}.md": _lever_page(one) for one in all_of_them()}
    return {"README.md": f"# Levers\n\n{NOTE}\n{intro}\n\n{listed}\n"} | found


def _does(adapter: Any) -> str:
    return ", ".join(kind.label for kind in type(next(iter(adapter.does))) if kind in adapter.does)


def _lever_page(adapter: Any) -> str:
    from andon.containment.adapters import help_text

    asked = [
        f"| {one.label} | {_cell(one.help)} | {_holds(one)} |" for one in adapter.fields
    ]  # fmt: skip
    return "\n".join(
        [
            f"# {adapter.title}", "", NOTE, adapter.line, "",
            "| it asks for | meaning | when left empty |", "|---|---|---|", *asked, "",
            "## On the other side", "", help_text(adapter.kind).strip(), "",
        ]
    )  # fmt: skip


def _holds(field: Any) -> str:
    if field.required:
        return "it must be given" + ("; it is kept encrypted and never shown" if field.secret else "")
    return f"`{field.default}`" if field.default else "nothing"


def rules_page() -> str:
    """The rules about signals: kinds, settings, and what a condition may say."""
    from andon.kit import expressions
    from andon.practice.rules import HOLDS, RuleKind
    from andon.rules.settings import BOUNDS, MEANINGS, names
    from andon.rules.wording import DOES

    kinds = [f"| `{kind}` | {DOES[kind]} | {', '.join(f'`{name}`' for name in names(kind))} |" for kind in RuleKind]
    settings = [
        f"| `{name}` | {_cell(meaning)} | {' to '.join(map(str, BOUNDS[name])) if name in BOUNDS else ''} |"
        for name, meaning in MEANINGS.items()
    ]
    order = ", ".join(f"`{kind}`" for kind in HOLDS)

    def listed(words: Any, prefix: str = "") -> list[str]:
        return [f"| `{prefix}{name}` | {_cell(meaning)} |" for name, meaning in words.items()]

    return "\n".join(
        [
            "# Rules", "", NOTE,
            "A rule has a name, a condition and the settings of its kind. Leads make rules under *Rules*, or over the",
            "API at `/api/v1/rules`. What they do to signals stands in [Rules about signals](../explanation/rules.md).",
            "", "## Kinds", "", "| kind | what it does | settings |", "|---|---|---|", *kinds, "",
            "What may keep a signal from opening an incident is asked in this order; the first that keeps it decides:",
            f"{order}.", "",
            "## Settings", "", "| setting | what it means | from, to |", "|---|---|---|", *settings, "",
            "## Conditions", "",
            "A condition is an expression of the [Common Expression Language](https://cel.dev) about one signal. It is",
            f"met if it is true. It has at most {expressions.LONGEST:,} characters, and at most {expressions.LOOPS} of",
            "`all`, `exists`, `exists_one`, `map` and `filter`; two of them neither add nor match texts, nor map. One",
            f"that loops lists at most {expressions.LISTED} values, and none takes `signal` or `signal.labels` as a",
            "whole value.", "",
            "| field | what it is |", "|---|---|", *listed(expressions.FIELDS, "signal."), "",
            "| function | example |", "|---|---|", *listed(expressions.FUNCTIONS), "",
            "| macro | example |", "|---|---|", *listed(expressions.MACROS), "",
            "Operators: `==` `!=` `<` `<=` `>` `>=` `in` `&&` `||` `!` `+` `-` `*` `/` `%` `? :`. Lists are written",
            "`[1, 2]`, text in double or single quotes. Values of different types are not equal; to compare them by",
            "size, or to add them, is an error.", "",
            "- A label that is not there meets nothing. Signals without the label as well:",
            "  `!has(signal.labels.env) || signal.labels.env != 'test'`.",
            "- A condition that cannot be answered for a signal (text compared with a number by size, say) is not met,",
            "  and the signal's page says so.",
            "- Conditions of all kinds but mappings see what the mappings made of a signal: system, type and severity.",
            "",
        ]
    )  # fmt: skip


def handbook_page() -> str:
    """The files of a handbook, key by key, from the schemas by which they are written."""
    from andon.handbook.files import schemas

    lines = [
        "# The files of a handbook", "", NOTE,
        "`andon handbook schema NAME` prints the JSON Schema (2020-12) that this page is made from. How the files are",
        "kept stands in [Keep the practice in a repository](../how-to/keep-the-practice-in-a-repository.md).", "",
    ]  # fmt: skip
    for name, schema in schemas().items():
        lines += [f"## {name}", ""]
        for part, found in schema["$defs"].items():
            if "properties" not in found:
                continue
            lines += [f"### {part}", "", found["description"], "", "| key | meaning | value |", "|---|---|---|"]
            needed = found.get("required", [])
            for key, value in found["properties"].items():
                must = " (required)" if key in needed else ""
                lines.append(
                    f"| `{key}`{must} | {_cell(value.get('description', ''))} | {_cell(_value(value, schema))} |"
                )
            lines.append("")
    return "\n".join(lines)


def runbooks_page() -> str:
    """The file of a runbook, key by key, from the values by which it is read."""
    from andon.handbook import runbook_blocks as blocks
    from andon.handbook.files import schema_of
    from andon.handbook.runbook_file import LONGEST
    from andon.practice.runbook import REQUIRED

    phases = ", ".join(f"**{phase.label}**" for phase in REQUIRED)
    kinds = [
        f"| `{kind}` | {_cell(blocks.DOES[kind])} | {', '.join(f'`{name}`' for name in names) or 'none'} |"
        for kind, names in blocks.FIELDS.items()
    ]
    drafts = ", ".join(f"`{{{place}}}`" for place in blocks.PLACES)
    query = (
        f"A query reads at most {blocks.MOST_WINDOWS:,} windows, and looks back at most {blocks.MOST_HOURS // 24} "
        "days. Roles of columns are those of `watches/columns.yaml`, and `input` for every other column."
    )
    lines = [
        "# The file of a runbook", "", NOTE,
        "A runbook is `runbooks/KEY.md` in a handbook: Markdown with front matter. How one is written and run is in",
        "[Write a runbook](../how-to/write-a-runbook.md), why it is so in [Runbooks](../explanation/runbooks.md).",
        "`andon runbook check FILE` and `andon handbook check FOLDER` name every mistake by file and line.", "",
        f"Headings of the second level are the phases, in this order and each of them: {phases}. Below them each",
        "heading of the third level is a step, with a fenced block `step` and, below it, what to do in Markdown. What",
        f"stands before the first phase is read before the run begins. A file has at most {LONGEST:,} characters.", "",
        "## Kinds of step", "", "| kind | what it is | its own keys |", "|---|---|---|", *kinds, "",
        "Every kind may have `minutes`, `optional` and, but for a decision, `then`.", "",
        "## Drafts", "",
        f"A notice may have a fenced block `draft`. In it Andon fills in, from the incident: {drafts}.",
        "What is not known stays in brackets.", "",
        "## Queries", "",
        query, "",
    ]  # fmt: skip
    parts = {"Front matter": blocks.Front, "The block of a step": blocks.StepBlock, "An outcome": blocks.OutcomeRow}
    for title, part in parts.items():
        made = schema_of(part)
        found = made["$defs"][part.__name__]
        lines += [f"## {title}", "", found["description"], "", "| key | meaning | value |", "|---|---|---|"]
        for key, value in found["properties"].items():
            must = " (required)" if key in found.get("required", []) else ""
            lines.append(f"| `{key}`{must} | {_cell(value.get('description', ''))} | {_cell(_value(value, made))} |")
        lines.append("")
    return "\n".join(lines)


def _value(value: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a key takes, in words."""
    words = value.get("enum")
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        words = schema["$defs"][name].get("enum")
        said = f"as under {name}"
    elif parts := value.get("anyOf") or value.get("allOf"):
        said = " or ".join(_value(one, schema) for one in parts if one.get("type") != "null")
    elif value.get("type") == "array":
        said = f"a list: {_value(value['items'], schema)}"
    elif value.get("format") == "date":
        said = "a date, such as `2026-01-31`"
    elif examples := value.get("examples"):
        said = "text, such as " + ", ".join(f"`{one}`" for one in examples)
    else:
        kinds = {"string": "text", "boolean": "`true` or `false`", "object": "by key", "integer": "a number"}
        said = kinds.get(str(value.get("type")), "")
    return ", ".join(f"`{word}`" for word in words) if words else said


def settings_page() -> str:
    """The environment settings."""
    from andon.site.environment import SETTINGS

    rows = [f"| `{setting.name}` | {_cell(setting.meaning)} | {_cell(setting.default)} |" for setting in SETTINGS]
    return "\n".join(
        [
            "# Settings", "", NOTE,
            "Settings come from the environment. They are few; everything else is in the database, on the screens and",
            "in the API. `andon settings` shows the values in force, with secrets hidden.", "",
            "| name | what it means | without it |", "|---|---|---|", *rows, "",
        ]
    )  # fmt: skip


def cli_page() -> str:
    """The commands, as the parser itself knows them."""
    import typer.main

    from andon.cli.main import app

    root = typer.main.get_command(app)
    lines = [
        "# Commands", "", NOTE, _sentence(root.help), "",
        "Every command takes `--help`; those that show something take `--json`. Exit codes: 0 done, 1 refused or",
        "something found, 2 wrong use, or the database or a setting is at fault.", "",
    ]  # fmt: skip
    for words, command in _commands(root, ("andon",)):
        lines += [f"## `{' '.join(words)}`", "", _sentence(command.help), ""]
        if rows := [_parameter(parameter) for parameter in command.params if parameter.name != "help"]:
            lines += ["| | meaning | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield words, command
        return
    for name in sorted(children):
        yield from _commands(children[name], (*words, name))


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{parameter.name.upper()}`"
    else:
        name = ", ".join(f"`{flag}`" for flag in [*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    shown = "required" if parameter.required else "" if default in (None, False, ()) else f"`{default}`"
    return f"| {name} | {_cell(parameter.help or '')} | {shown} |"


def api_page() -> str:
    """The operations of the API, from its own OpenAPI document."""
    from andon.api.urls import api

    document = api.get_openapi_schema()
    lines = [
        "# API", "", NOTE, str(document["info"]["description"]), "",
        "The whole, with every field: `/api/v1/openapi.json` (OpenAPI 3.1) of your own Andon.",
    ]  # fmt: skip
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["other"])[0]
            row = f"| `{method.upper()}` | `{path}` | {_cell(operation.get('summary', ''))} |"
            groups.setdefault(tag, []).append(row)
    for tag in sorted(groups):
        lines += ["", f"## {tag.capitalize()}", "", "| | address | what it does |", "|---|---|---|", *groups[tag]]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _sentence(text: str | None) -> str:
    return "\n".join(line.strip() for line in (text or "").strip().splitlines())


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        file = FOLDER / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        print(_shown(file))


def _shown(file: Path) -> str:
    return file.resolve().relative_to(ROOT).as_posix()


if __name__ == "__main__":
    main()
    sys.exit(0)
