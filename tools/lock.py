"""Resolve the dependencies anew: `make lock`. Arguments go to uv, as `--upgrade` or `--upgrade-package django`.

Two lock files for every platform, with hashes and without any host: what runs Andon, and what is needed to work on it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

RUNTIME, WORK = Path("requirements.lock"), Path("requirements-dev.lock")
COMMON = (
    "--universal", "--python-version", "3.11", "--generate-hashes",
    "--no-emit-index-url", "--no-header", "--quiet",
)  # fmt: skip


def main(arguments: list[str]) -> None:
    """Write both files; the second holds what the first says."""
    uv = Path(sys.executable).with_name("uv")
    program = str(uv) if uv.exists() else shutil.which("uv")
    if program is None:
        raise SystemExit("uv is missing: run `make install`, it comes with the development dependencies.")
    base = [program, "pip", "compile", "pyproject.toml", *COMMON, *arguments]
    subprocess.run([*base, "--output-file", str(RUNTIME)], check=True)
    subprocess.run([*base, "--group", "dev", "--constraints", str(RUNTIME), "--output-file", str(WORK)], check=True)
    print(f"Wrote {RUNTIME} and {WORK}. Run `make install`, then `make check`.")


if __name__ == "__main__":
    main(sys.argv[1:])
