"""The other sides that tests talk to for real, each in a virtual environment of its own: `make peers`.

What they stand on would quarrel with ours and with each other's, so none of it is a dependency of Andon. The
environments lie in .venv-peers/; tests start programs there and skip loudly where one is missing.

    python -m tools.peers                 install what is missing or was changed
    python -m tools.peers mlflow          one of them
    python -m tools.peers --lock [name]   resolve tests/peers/<name>.in anew

A `.without` file beside a `.in` names what to leave out although somebody declares it. The pinned files hold hashes and
no host, as the lock files do.
"""

import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

PINNED, MADE = Path("tests/peers"), Path(".venv-peers")
UV = str(Path(sys.executable).with_name("uv"))
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
    return sorted(file.stem for file in PINNED.glob("*.in"))


def lock(name: str) -> None:
    """Pin everything that a peer stands on."""
    left_out = PINNED / f"{name}.without"
    # With something left out the file is for Linux alone: what CI and these tests run on.
    how = ("--override", str(left_out), "--python-platform", "linux") if left_out.exists() else ("--universal",)
    target = PINNED / f"{name}.txt"
    subprocess.run(
        [UV, "pip", "compile", str(PINNED / f"{name}.in"), *COMMON, *how, "--output-file", str(target)], check=True
    )
    print(f"Wrote {target}.")


def install(name: str) -> bool:
    """Make a peer's environment if it is missing or pinned otherwise by now; whether it is there."""
    pinned, folder = PINNED / f"{name}.txt", MADE / name
    stamp = folder / ".installed"
    digest = sha256(pinned.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return True
    began = time.perf_counter()
    print(f"Installing {name} into {folder} ...", flush=True)
    python = folder / "bin" / "python"
    steps = (
        [UV, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [UV, "pip", "install", "--quiet", "--python", str(python), "--no-deps", "--require-hashes", "-r", str(pinned)],
    )
    for step in steps:
        if subprocess.run(step, check=False).returncode:
            print(f"{name} COULD NOT BE INSTALLED: tests against it will be skipped.", flush=True)
            return False
    stamp.write_text(digest)
    print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
