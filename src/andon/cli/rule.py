"""`andon rule`: see the rules about signals, and try a draft from a file before it is made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from andon.cli import house, say
from andon.cli.group import commands
from andon.cli.say import Trouble

app = commands("See the rules about signals, and try a draft.")


@app.command("list")
def list_(
    ended: Annotated[bool, typer.Option("--ended", help="Those that are over, in place of those in force.")] = False,
    json: say.AsJson = False,
) -> None:
    """List the rules, in the order in which they are asked."""
    house.enter()
    from andon.kit import clock
    from andon.rules import queries
    from andon.rules.queries import RuleFilter
    from andon.rules.shapes import RuleOut

    rows = list(queries.rules(house.operator(), RuleFilter(ended=ended), clock.now()))
    held = queries.holding([row.number for row in rows])
    found = [RuleOut.of(row, held[row.number]) for row in rows]
    say.answer(
        [one.dict() for one in found],
        lambda: say.table(
            "rule", "kind", "name", "system", "signals", "they", "quiet now",
            rows=[
                (one.ref, one.kind, one.name, one.system or "-", one.expression or "all", one.says, one.holding)
                for one in found
            ],
            empty="No rule is over." if ended else "No rule is in force.",
        ),
    )  # fmt: skip


@app.command("try")
def try_(
    file: Annotated[
        Path,
        typer.Argument(
            help="A rule in YAML or JSON, with the names that the API has for it; `instead_of` is the number of the "
            "rule that it would change."
        ),
    ],
    json: say.AsJson = False,
) -> None:
    """Try a draft on the newest 1,000 signals: what it would have done, had it been in force. Nothing is kept."""
    house.enter()
    from andon.kit import clock
    from andon.rules.policy import access_rule
    from andon.rules.shapes import RuleTrialOut
    from andon.rules.trying import try_rule

    draft, by = _draft(file), house.operator()
    changes = access_rule(by, draft.instead_of) if draft.instead_of is not None else None
    found = RuleTrialOut.of(try_rule(draft.facts(), clock.now(), by=by, instead_of=changes))
    say.answer(
        found.dict(),
        lambda: [
            f"It would have changed {found.changed} of {found.looked_at} signals; it is about {found.about} of them.",
            f"Incidents not opened: {len(found.not_opened)}; opened: {found.opened}.",
            *([f"Incidents open for longer: {_incidents(found.open_longer)}."] if found.open_longer else []),
            f"Could not be asked: {found.errors}.",
            f"Not answered for: {len(found.unanswered)}.",
            *found.notes,
            say.table(
                "heard", "signal", "what would have been",
                rows=[(say.when(one.first_at), one.title, one.says) for one in found.lines],
                empty="Nothing would have been otherwise.",
            ),
            *([_unanswered(found.unanswered)] if found.unanswered else []),
        ],
    )  # fmt: skip


def _incidents(numbers: Sequence[int]) -> str:
    return f"{len(numbers)} ({', '.join(f'INC-{number}' for number in numbers)})"


def _unanswered(lines: Sequence[Any]) -> Any:
    rows = [(say.when(one.first_at), one.title, one.says) for one in lines]
    return say.table("heard", "not answered for", "why", rows=rows, empty="It answers for all of them.")


def _draft(file: Path) -> Any:
    """What a file says of a rule; says in words what cannot be read."""
    import yaml
    from pydantic import ValidationError

    from andon.rules.shapes import RuleDraft

    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Trouble(f"{file} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Trouble(f"{file} is neither YAML nor JSON: {' '.join(str(error).split())}") from error
    try:
        return RuleDraft.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in error.errors())
        raise Trouble(f"{file} is no rule: {wrong}.") from error
