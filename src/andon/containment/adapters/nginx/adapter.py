"""Rewriting the servers of an nginx upstream on Andon's own machine, and seeing which of them answers.

The file is included inside `upstream … { }` and holds `server` lines alone. It is rewritten whole, tested by
`nginx -t`, taken up by `nginx -s reload`; an undo puts the old file back, to the byte.
Format: nginx, "Module ngx_http_upstream_module".
"""

import re
from typing import Final

from andon.containment import allowed, rewriting, serving
from andon.containment.lever import Done, LeverAdapter, Plan, Seen, State
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_SERVER: Final = re.compile(
    r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):(?P<port>[0-9]{1,5})"
    r"(?: (?:weight=[0-9]{1,5}|max_conns=[0-9]{1,6}|max_fails=[0-9]{1,4}|fail_timeout=[0-9]{1,5}s|backup|down))*"
)
_LAST_PORT: Final = 65_535


def servers(value: str) -> str:
    """Servers, one a line, each with nothing but what an upstream's server may have: no directive can be slipped in."""
    lines = [" ".join(line.split()) for line in value.splitlines() if line.strip()]
    for number, line in enumerate(lines, start=1):
        found = _SERVER.fullmatch(line)
        if not found or not 0 < int(found["port"]) <= _LAST_PORT:
            raise Invalid(f"Line {number}: a host, a port and what nginx knows of a server, as 10.0.0.6:8080 weight=2.")
    if not lines:
        raise Invalid("At least one server; one that is down, as 10.0.0.6:8080 down, where none is to answer.")
    return "\n".join(lines)


class Adapter(LeverAdapter):
    """The lever."""

    kind = "nginx"
    title = "nginx route"
    line = "Sends an upstream of an nginx on this machine to other servers, and sees who answers."
    does = frozenset(ContainmentKind)
    limit = 60.0
    fields = (
        Field("file", "File", "Its name among the files in ANDON_LEVERS_FILE, where Andon’s engine runs."),
        Field("servers", "Servers", "One a line, as 10.0.0.6:8080 weight=2; what nginx knows of a server may follow.",
              long=True, check=servers),
        *serving.fields("who answered"),
        Field("shown", "What it must show after the pull", "As v6."),
        Field("shown_before", "What it must show after an undo", "As v7; left empty, an undo is not looked at.",
              required=False),
    )  # fmt: skip

    def state(self, settings: Settings) -> State:
        """The file as it is."""
        return {"text": rewriting.text_of(allowed.file(settings["file"]))}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The file with the servers."""
        text = "".join(f"server {line};\n" for line in settings["servers"].splitlines())
        wanted = ", ".join(settings["servers"].splitlines())
        if prior["text"] == text:
            return Plan({"text": text}, f"Nothing would change: {settings['file']} goes to {wanted} already.")
        return Plan({"text": text}, f"{settings['file']} goes from {_named(prior['text'])} to {wanted}.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Rewrite, test, reload."""
        return Done(rewriting.put(allowed.file(settings["file"]), plan.expected["text"], key))

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Put the old file back."""
        return Done(rewriting.put(allowed.file(settings["file"]), prior["text"], key))

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Whether the file is as expected, and who answers."""
        return rewriting.served(settings, plan, self.plan(settings, {"text": ""}).expected["text"])


def _named(text: str) -> str:
    """The servers of a file, for a person."""
    found = re.findall(r"^\s*server\s+([^;#]+);", text, flags=re.MULTILINE)
    return ", ".join(" ".join(one.split()) for one in found) or "no servers"
