"""What ruff, mypy and import-linter cannot see: the house's own lints, migrations, deployment settings, locks, papers.

`make check` runs this last. Each check says what it found; the exit code is 1 if any found something.
"""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator

from tools import lints, reference

ROOT = lints.ROOT
RUNTIME, WORK = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
_PINNED = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>\S+)")
_ADDRESS = re.compile(r"\w+://|--(?:extra-)?index-url|--find-links|--trusted-host|\s@\s")


def main() -> int:
    """Run every check; 0 when none found anything."""
    checks: tuple[tuple[str, Callable[[], Iterator[str]]], ...] = (
        ("the lints of the house", house),
        ("lock files", locks),
        ("migrations", migrations),
        ("deployment settings", deployment),
        ("reference pages", reference.stale),
    )
    failed = False
    for name, check in checks:
        problems = list(check())
        print(f"{name}: {'ok' if not problems else ''}")
        print("".join(f"  {problem}\n" for problem in problems), end="", flush=True)
        failed = failed or bool(problems)
    return int(failed)


def house() -> Iterator[str]:
    """The lints, over every file."""
    reference.prepare()
    from andon.site.environment import SETTINGS

    yield from map(str, lints.over_the_house(setting.name for setting in SETTINGS))


def locks() -> Iterator[str]:
    """Whether the lock files hold what pyproject.toml names, with hashes, and no address of a host. Asks no network."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime, work = project["project"]["dependencies"], project["dependency-groups"]["dev"]
    yield from lock_problems(RUNTIME.name, RUNTIME.read_text(), runtime)
    yield from lock_problems(WORK.name, WORK.read_text(), [*runtime, *work])
    for file in sorted((ROOT / "tests" / "peers").glob("*.in")):
        named = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
        pinned_by = file.with_suffix(".txt")
        yield from lock_problems(
            f"tests/peers/{pinned_by.name}",
            pinned_by.read_text(),
            [name for name in named if name],
            remedy="run python -m tools.peers --lock",
        )
    for file in sorted((ROOT / "tests" / "peers").glob("*/package-lock.json")):
        yield from node_lock_problems(f"tests/peers/{file.parent.name}/{file.name}", file.read_text())
    pinned, also = pins(RUNTIME.read_text()), pins(WORK.read_text())
    for name in sorted(pinned.keys() & also.keys()):
        if pinned[name] != also[name]:
            yield f"{name} is {pinned[name]} in {RUNTIME.name} and {also[name]} in {WORK.name}: run make lock"


def lock_problems(file: str, text: str, wanted: list[str], *, remedy: str = "run make lock") -> Iterator[str]:
    """What is wrong with one lock file."""
    pinned = pins(text)
    for requirement in wanted:
        name = canonical(requirement)
        if name not in pinned:
            yield f"{file} does not hold {name}, which is asked for: {remedy}"
    for name, entry in entries(text):
        if "--hash=sha256:" not in entry:
            yield f"{file} holds {name} without a hash: {remedy}"
    for number, line in enumerate(text.splitlines(), start=1):
        if _ADDRESS.search(line):
            yield f"{file}:{number} names a host or an index: {line.strip()}"


def node_lock_problems(file: str, text: str) -> Iterator[str]:
    """What is wrong with npm's lock file: a package without a hash, or with the address that it came from."""
    for name, package in json.loads(text)["packages"].items():
        if name and "integrity" not in package:
            yield f"{file} holds {name} without a hash: run python -m tools.peers --lock"
        if "resolved" in package:
            yield f"{file} names a host for {name}: run python -m tools.peers --lock"


def canonical(requirement: str) -> str:
    """The normalised name in a requirement (PEP 503)."""
    found = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found.group()).lower() if found else requirement


def pins(text: str) -> dict[str, str]:
    """Names and versions; one that differs between platforms comes with all of them."""
    versions: dict[str, list[str]] = {}
    for line in text.splitlines():
        if found := _PINNED.match(line):
            versions.setdefault(canonical(found["name"]), []).append(found["version"])
    return {name: " ".join(sorted(several)) for name, several in versions.items()}


def entries(text: str) -> Iterator[tuple[str, str]]:
    """Each pinned name with all the lines that belong to it."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", "\n" + text)
    for block in blocks:
        if found := _PINNED.match(block.strip()):
            yield canonical(found["name"]), block


def migrations() -> Iterator[str]:
    """Whether every change of a model has its migration."""
    yield from _django("makemigrations", "--check", "--dry-run")


LEFT_TO_THE_OPERATOR = {
    "security.W005",  # HSTS for all subdomains: only the owner of the domain knows whether they have TLS
    "security.W008",  # redirecting http to https is the proxy's, which alone listens on both
    "security.W021",  # as W005, for the browsers' preload list
}
_COMPLAINT = re.compile(r"^\S+: \((?P<id>[\w.]+)\)")


def deployment() -> Iterator[str]:
    """Django's own deployment checks, under the settings of an installation behind https."""
    said = list(_django("check", "--deploy", "--fail-level", "WARNING"))
    complaints = [found for line in said if (found := _COMPLAINT.match(line))]
    if said and not complaints:
        yield from said  # it did not get as far as checking
    yield from (found.string for found in complaints if found["id"] not in LEFT_TO_THE_OPERATOR)


def _django(*arguments: str) -> Iterator[str]:
    """What a management command complains of, under production settings and a data folder of its own."""
    with tempfile.TemporaryDirectory(prefix="andon-check-") as folder:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ANDON_")},
            "DJANGO_SETTINGS_MODULE": "andon.site.settings",
            "ANDON_DATA_DIR": folder,
            "ANDON_BASE_URL": "https://andon.example.org",
            "ANDON_SECRET_KEY": secrets.token_urlsafe(48),
        }
        command = [sys.executable, "-W", "ignore", "-m", "django", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            yield from (line for line in (done.stdout + done.stderr).splitlines() if line.strip())


if __name__ == "__main__":
    sys.exit(main())
