"""The other sides that tests talk to for real, each in a virtual environment of its own: `make peers`.

What they stand on would quarrel with ours and with each other's, so none of it is a dependency of Andon. The
environments lie in .venv-peers/; tests start programs there and skip loudly where one is missing.

    python -m tools.peers                 install what is missing or was changed
    python -m tools.peers mlflow          one of them
    python -m tools.peers --lock [name]   resolve tests/peers/<name>.in anew

A `.without` file beside a `.in` names what to leave out although somebody declares it. A folder with a `package.json`
is a peer for Node, by npm; where npm is missing or Node is older than the peer needs, that is said and it is left out.
The pinned files hold hashes and no host, as the lock files do.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

PINNED, MADE = Path("tests/peers"), Path(".venv-peers")
UV = str(Path(sys.executable).with_name("uv"))
NPM = ("--no-audit", "--no-fund", "--loglevel=error")
COMMON = ("--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header", "--quiet")


def main(arguments: list[str]) -> int:
    """Install, or with `--lock` resolve; the exit code is 1 if one of them failed."""
    wanted = [name for name in arguments if not name.startswith("-")] or names()
    if unknown := set(wanted) - set(names()):
        raise SystemExit(f"There is no peer {', '.join(sorted(unknown))}; there are {', '.join(names())}.")
    if "--lock" in arguments:
        for name in wanted:
            lock(name)
        return 0
    there = [install(name) for name in wanted]
    return int(not all(there))


def names() -> list[str]:
    """Every peer, by its file."""
    for_node = (file.parent.name for file in PINNED.glob("*/package.json"))
    return sorted([*(file.stem for file in PINNED.glob("*.in")), *for_node])


def is_for_node(name: str) -> bool:
    """Whether npm installs it."""
    return (PINNED / name / "package.json").exists()


def lock(name: str) -> None:
    """Pin everything that a peer stands on."""
    if is_for_node(name):
        lock_for_node(name)
        return
    left_out = PINNED / f"{name}.without"
    # With something left out the file is for Linux alone: what CI and these tests run on.
    how = ("--override", str(left_out), "--python-platform", "linux") if left_out.exists() else ("--universal",)
    target = PINNED / f"{name}.txt"
    subprocess.run(
        [UV, "pip", "compile", str(PINNED / f"{name}.in"), *COMMON, *how, "--output-file", str(target)], check=True
    )
    print(f"Wrote {target}.")


def lock_for_node(name: str) -> None:
    """Pin what a peer for Node stands on; npm leaves the registry's address out when it is told to."""
    subprocess.run(
        [npm(), "install", *NPM, "--package-lock-only", "--omit-lockfile-registry-resolved", "--ignore-scripts"],
        cwd=PINNED / name, check=True,
    )  # fmt: skip
    print(f"Wrote {PINNED / name / 'package-lock.json'}.")


def npm() -> str:
    """Where npm is; its bare name where it is not."""
    return shutil.which("npm") or "npm"


def install(name: str) -> bool:
    """Make a peer's environment if it is missing or pinned otherwise by now; whether it is there."""
    pinned = PINNED / name / "package-lock.json" if is_for_node(name) else PINNED / f"{name}.txt"
    folder = MADE / name
    stamp = folder / ".installed"
    digest = sha256(pinned.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return True
    if is_for_node(name) and (reason := why_not_node(name)):
        print(f"{name} IS NOT INSTALLED: {reason}. Tests against it will be skipped.", flush=True)
        return True
    began = time.perf_counter()
    print(f"Installing {name} into {folder} ...", flush=True)
    for step in steps_for_node(name, folder) if is_for_node(name) else steps_for_python(pinned, folder):
        if subprocess.run(step, check=False).returncode:
            print(f"{name} COULD NOT BE INSTALLED: tests against it will be skipped.", flush=True)
            return False
    stamp.write_text(digest)
    print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    return True


def steps_for_python(pinned: Path, folder: Path) -> list[list[str]]:
    """A virtual environment, and into it what is pinned."""
    python = str(folder / "bin" / "python")
    return [
        [UV, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [UV, "pip", "install", "--quiet", "--python", python, "--no-deps", "--require-hashes", "-r", str(pinned)],
    ]


def steps_for_node(name: str, folder: Path) -> list[list[str]]:
    """What is pinned, into the folder; no script of a package is run."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(PINNED / name / file, folder / file)
    return [[npm(), "ci", *NPM, "--omit=dev", "--ignore-scripts", "--prefix", str(folder)]]


def why_not_node(name: str) -> str:
    """Why this machine cannot run a peer for Node; nothing when it can."""
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return "Node or npm is missing"
    needed = int(re.sub(r"\D", "", json.loads((PINNED / name / "package.json").read_text())["engines"]["node"]))
    has = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return "" if int(has.lstrip("v").partition(".")[0]) >= needed else f"Node is {has}, and it needs {needed}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
