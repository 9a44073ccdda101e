"""Run every bench, one after the other, in a process each; a failing one makes this fail at the end."""

import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
HELPERS = {"__init__", "run", "measuring"}


def benches() -> list[Path]:
    """The scripts of this folder that measure something, by name."""
    return [path for path in sorted(FOLDER.glob("*.py")) if path.stem not in HELPERS]


def main() -> int:
    """Run those named on the command line (`intake`), or all."""
    wanted = set(sys.argv[1:])
    if unknown := wanted - {path.stem for path in benches()}:
        print(f"There is no bench {', '.join(sorted(unknown))}; there are {', '.join(p.stem for p in benches())}.")
        return 2
    failed = []
    for path in benches():
        if wanted and path.stem not in wanted:
            continue
        print(f"\n== {path.stem} ==", flush=True)
        started = time.monotonic()
        if subprocess.run([sys.executable, path], cwd=FOLDER.parent, check=False).returncode:
            failed.append(path.stem)
        print(f"({time.monotonic() - started:.0f} s)", flush=True)
    if failed:
        print(f"\nFAILED: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
