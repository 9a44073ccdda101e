"""The settings that come from the environment: few, all listed here, all documented in docs/reference/settings.md.

A test fails when one is read that is not in `SETTINGS`, or listed and not documented.
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

from cryptography.fernet import Fernet, MultiFernet


@dataclass(frozen=True)
class Setting:
    """One environment variable: its name, what it means, and what holds without it."""

    name: str
    meaning: str
    default: str


SETTINGS = (
    Setting(
        "ANDON_DATABASE_URL",
        "Where the data is: `sqlite:///path` or `postgresql://user:password@host/name`.",
        "`andon.sqlite3` in the data folder",
    ),
    Setting(
        "ANDON_DATA_DIR",
        "Folder of the embedded database and of the keys that Andon makes for itself.",
        "`$XDG_DATA_HOME/andon`, else `~/.local/share/andon`",
    ),
    Setting(
        "ANDON_BASE_URL",
        "The address under which people reach Andon; links in messages begin with it.",
        "`http://localhost:8321`",
    ),
    Setting(
        "ANDON_SECRET_KEY",
        "Signs sessions and links.",
        "made once and kept in the data folder (mode 0600)",
    ),
    Setting(
        "ANDON_FIELD_KEYS",
        "Fernet keys that encrypt contacts and secrets at rest, newest first, separated by commas. "
        "To rotate, put a new key in front and keep the old ones behind it.",
        "made once and kept in the data folder (mode 0600)",
    ),
    Setting(
        "ANDON_SMTP_URL",
        "Mail server: `smtp://user:password@host:port`, `smtps://…` for TLS from the first byte, `?tls=starttls` to "
        "upgrade, `?from=andon@example.org` for the sender.",
        "no mail; pages by e-mail are refused with a clear error",
    ),
    Setting(
        "ANDON_SMTP_LISTEN",
        "`host:port` on which signals are taken by mail, such as `127.0.0.1:2525`; a mail server stands in front.",
        "no mail is taken",
    ),
    Setting(
        "ANDON_HEARTBEAT_URL",
        "Pinged every minute, but only while the engine's audit passes; let an outside service tell you when it stops.",
        "none",
    ),
    Setting(
        "ANDON_ALLOW_PRIVATE_TARGETS",
        "`true` lets webhooks and warehouses of decision logs have private and loopback addresses. Link-local and "
        "metadata addresses stay refused.",
        "`false`",
    ),
    Setting(
        "ANDON_LOG_DIRS",
        "Folders below which decision logs may be read as files, separated by colons. Nothing outside is ever read.",
        "`logs` in the data folder",
    ),
    Setting(
        "ANDON_GUARD_TOKEN",
        "In a process that `andon.guard` guards: its guard tokens, one for each system, separated by commas. Such a "
        "process reads ANDON_BASE_URL too, to know where Andon is.",
        "none; the process is not guarded, and says so in its log",
    ),
    Setting(
        "ANDON_GUARD_DIR",
        "In a guarded process: the folder in which it keeps what it last heard of its switch.",
        "`$XDG_STATE_HOME/andon-guard`, else `~/.local/state/andon-guard`",
    ),
    Setting(
        "ANDON_LEVERS_FILE",
        "A YAML file with the commands and files of this machine that levers may use; only root or Andon's user may "
        "write it. See [Command](../how-to/levers/command.md).",
        "levers run no command and rewrite no file",
    ),
    Setting("ANDON_OIDC_ISSUER", "OpenID Connect: address of the provider.", "single sign-on is off"),
    Setting("ANDON_OIDC_CLIENT_ID", "OpenID Connect: client id.", "none"),
    Setting("ANDON_OIDC_CLIENT_SECRET", "OpenID Connect: client secret.", "none"),
    Setting("ANDON_OIDC_NAME", "OpenID Connect: what the sign-in button calls the provider.", "`Single sign-on`"),
    Setting("ANDON_TRUSTED_PROXIES", "How many proxies in front set X-Forwarded-For and -Proto.", "`0`"),
    Setting("ANDON_LOG_LEVEL", "`debug`, `info`, `warning` or `error`.", "`info`"),
)

_KNOWN = {setting.name for setting in SETTINGS}
_FIELD_KEYS = "field_keys"  # the file in the data folder


def read(name: str, default: str = "") -> str:
    """The value of a known setting; asking for an unknown one is a programming error."""
    if name not in _KNOWN:
        raise LookupError(f"{name} is not listed in andon.site.environment.SETTINGS.")
    return os.environ.get(name, default).strip()


def flag(name: str) -> bool:
    """Whether a setting is `true`, `yes`, `on` or `1`."""
    return read(name).lower() in {"1", "true", "yes", "on"}


def listen_address(name: str) -> str:
    """A `host:port` to listen on; empty where it is not set."""
    given = read(name)
    host, _, port = given.rpartition(":")
    if given and not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):  # noqa: PLR2004  TCP's ports
        raise ValueError(f"{name} must look like 127.0.0.1:2525, not {given!r}.")
    return given


def data_dir() -> Path:
    """Where the data folder is. It need not be there yet: to ask makes nothing, so that looking leaves nothing."""
    share = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(read("ANDON_DATA_DIR") or f"{share}/andon").expanduser().resolve()


def make_data_dir() -> Path:
    """The data folder, made when it is not there, readable by its owner alone."""
    folder = data_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def log_dirs() -> list[Path]:
    """The folders below which decision logs may be read, absolute; they need not exist yet."""
    given = read("ANDON_LOG_DIRS") or str(data_dir() / "logs")
    return [Path(folder).expanduser().resolve() for folder in given.split(os.pathsep) if folder.strip()]


def levers_file() -> Path | None:
    """The file of what levers may do on this machine, absolute; None where nothing is allowed."""
    given = read("ANDON_LEVERS_FILE")
    return Path(given).expanduser().resolve() if given else None


def keep(name: str, filename: str, make: Callable[[], str]) -> str:
    """A secret from the environment, else the one kept in the data folder, made there the first time.

    It is put in place whole, and only where there is none: two processes that start at once agree on one, a crash
    leaves no half of one, and what is encrypted by it outlives a power cut.
    """
    if given := read(name):
        return given
    path = data_dir() / filename
    if not path.exists():
        make_data_dir()
        _put(path, make() + "\n")
    return path.read_text().strip()


def _put(path: Path, text: str) -> None:
    """Write a file that is readable by its owner alone, unless another process is quicker."""
    descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
        except OSError:  # a file system without hard links: of two that start at once the later one's would hold
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make a new name in a folder last, where folders can be synchronised."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def secret_key() -> str:
    """Django's SECRET_KEY, made the first time."""
    return keep("ANDON_SECRET_KEY", "secret_key", lambda: secrets.token_urlsafe(48))


def given_field_keys() -> list[str]:
    """The Fernet keys that the environment gives, newest first; none where it gives none."""
    if not (given := read("ANDON_FIELD_KEYS")):
        return []
    keys = _apart(given)
    try:
        MultiFernet([Fernet(key) for key in keys])
    except ValueError:
        raise ValueError(
            "ANDON_FIELD_KEYS holds something that is no key. Each is 44 characters that Fernet.generate_key() makes."
        ) from None
    return keys


def has_field_keys() -> bool:
    """Whether there are Fernet keys already; makes none."""
    return bool(read("ANDON_FIELD_KEYS")) or (data_dir() / _FIELD_KEYS).exists()


def field_keys() -> list[str]:
    """The Fernet keys, newest first, made the first time."""
    kept = keep("ANDON_FIELD_KEYS", _FIELD_KEYS, lambda: Fernet.generate_key().decode())
    return _apart(kept)


def _apart(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",") if key.strip()]
