"""Starting a workflow of GitHub Actions that contains: a deployment's rollback, for one.

REST: "Create a workflow dispatch event". Asked with `return_run_details`, GitHub answers with the run; a server that
does not know it answers 204, and the run is then not known. That a workflow ended well says nothing about what is
served: the lever asks the serving address.
"""

import json
from typing import Any, Final

from andon.containment import serving
from andon.containment.lever import (
    Done,
    LeverAdapter,
    LeverFault,
    Plan,
    Seen,
    State,
    answered,
    json_object,
    read_json,
    web_address,
)
from andon.containment.rest import Rest, segment
from andon.kit import outbound
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_NO_CONTENT: Final = 204
_NOT_UNDERSTOOD: Final = (400, 422)


def _repository(value: str) -> str:
    owner, slash, name = value.partition("/")
    if not slash or not owner or not name or "/" in name:
        raise Invalid("An owner and a name, as example-bank/credit-scorer.")
    return value


class Adapter(LeverAdapter):
    """The lever."""

    kind = "github"
    title = "GitHub workflow"
    line = "Starts a workflow of GitHub Actions that contains, and sees what is served."
    does = frozenset(ContainmentKind)
    fields = (
        Field("server", "GitHub’s API", "https://github.example.org/api/v3 for a GitHub of your own.", required=False,
              default="https://api.github.com", check=web_address, target=True),
        Field("token", "Token", "A fine-grained one for this repository: Actions, read and write.", secret=True),
        Field("repository", "Repository", "As example-bank/credit-scorer.", check=_repository),
        Field("workflow", "Workflow", "The name of its file, as roll-back.yml."),
        Field("ref", "Branch or tag", required=False, default="main"),
        Field("inputs", "Inputs of a pull", 'A JSON object, as {"version": "v6"}.', required=False, long=True,
              check=json_object),
        Field("undo_inputs", "Inputs of an undo", "The same workflow is started with them; left empty, nothing can be "
              "undone.", required=False, long=True, check=json_object),
        *serving.fields("what is served"),
        Field("shown", "What it must show after the pull", "As v6."),
    )  # fmt: skip

    def undoable(self, settings: Settings) -> bool:
        """With inputs of an undo."""
        return bool(settings.get("undo_inputs"))

    def state(self, settings: Settings) -> State:
        """What is served now, as the serving address shows it, and that the workflow can be started."""
        side = _side(settings)
        found = side.read(_path(settings))
        if found.get("state") != "active":
            raise side.nonsense(f"{settings['workflow']} is no active workflow there")
        return {"shown": serving.shown_if_told(settings)}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The workflow with its inputs."""
        expected = {"shown": settings["shown"]}
        what = f"workflow {settings['workflow']} on {settings['ref']}"
        if str(prior["shown"]) == settings["shown"]:
            return Plan(expected, f"Nothing would change: {settings['shown']} is served already. The {what} would run.")
        return Plan(
            expected,
            f"The {what} runs, and {settings['shown']} is served in place of {prior['shown'] or 'what is not known'}.",
        )

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Start it. GitHub takes no idempotency key; Andon acts once."""
        _ = plan, key
        return _start(settings, settings.get("inputs", "{}"))

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Start it with the inputs of an undo."""
        _ = prior, key
        if not settings.get("undo_inputs"):
            raise LeverFault("This lever has no inputs of an undo.", sure=True)
        return _start(settings, settings["undo_inputs"])

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Whether the serving address shows it."""
        return serving.look_for(settings, plan.expected["shown"])


def _side(settings: Settings) -> Rest:
    headers = {
        "Authorization": f"Bearer {settings['token']}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    return Rest("GitHub", settings["server"], headers)


def _path(settings: Settings) -> str:
    owner, _, name = settings["repository"].partition("/")
    return f"/repos/{segment(owner)}/{segment(name)}/actions/workflows/{segment(settings['workflow'])}"


def _start(settings: Settings, inputs: str) -> Done:
    asked = {"ref": settings["ref"], "inputs": json.loads(inputs)}
    side, where = _side(settings), f"{_path(settings)}/dispatches"
    answer = side.ask("POST", where, asked | {"return_run_details": True}, changes=True)
    if answer.status in _NOT_UNDERSTOOD and b"return_run_details" in answer.body:
        # An Enterprise Server from before 2026 does not know the word, and has started nothing.
        answer = side.ask("POST", where, asked, changes=True)
    run = _run(answered(side.who, answer))
    if run is None:
        return Done("GitHub took it; it did not say which run it is.", {"run": None})
    return Done(f"GitHub started run {run['id']}.", {"run": run["id"], "page": run["page"]})


def _run(answer: outbound.Answer) -> dict[str, Any] | None:
    """The run that was started. Raises `LeverFault`, not surely, where the answer makes no sense: it may have been."""
    if answer.status == _NO_CONTENT:
        return None
    found = read_json("GitHub", answer)
    if not isinstance(found, dict) or "workflow_run_id" not in found:
        raise LeverFault("GitHub answered, but without the run that it started.", sure=False)
    return {"id": found["workflow_run_id"], "page": found.get("html_url", "")}
