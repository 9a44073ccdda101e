"""The `andon` command: everything the machine's operator does, each command in the module of its kind."""

from andon.cli import (
    evidence,
    handbook,
    incident,
    keeping,
    levers,
    looking,
    rule,
    runbooks,
    serving,
    simulating,
    switching,
    user,
    watching,
)
from andon.cli.changed import changed
from andon.cli.demo.command import demo
from andon.cli.group import commands

app = commands("AI incident response: detect, page, contain, tell, resolve, review, learn.")

app.command()(serving.up)
app.command()(serving.serve)
app.command()(serving.engine)
app.command()(serving.migrate)
app.command()(demo)
app.command()(looking.check)
app.command()(looking.oncall)
app.add_typer(incident.app, name="incident")
app.add_typer(evidence.app, name="evidence")
app.add_typer(levers.app, name="lever")
app.add_typer(runbooks.app, name="runbook")
app.add_typer(rule.app, name="rule")
app.add_typer(watching.app, name="watch")
app.add_typer(switching.app, name="switch")
app.add_typer(handbook.app, name="handbook")
app.command()(changed)
app.command()(looking.verify)
app.add_typer(user.app, name="user")
app.command()(keeping.backup)
app.command()(keeping.restore)
app.command()(looking.settings)
app.command()(looking.version)
app.command()(simulating.sim)


def run() -> None:
    """The entry of the installed command."""
    app(prog_name="andon")


if __name__ == "__main__":
    run()
