"""Pages by Apprise: listed services only, in a process that holds nothing, under a guard, within a time."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from andon.kit.errors import Invalid
from andon.paging.adapters import find, setup
from andon.paging.adapters.apprise import apart, runner
from andon.paging.adapters.apprise.setup import SCHEMES
from andon.paging.channel import Destination, Outcome, Receipt
from tests.paging.channels.conftest import PAGE, trickle
from tests.support.listener import Listener

TOKEN = "Aabcdefghijklmn"


def send(listener: Listener) -> Receipt:
    return find("apprise").send(PAGE, Destination(f"gotify://127.0.0.1:{listener.port}/{TOKEN}"))


def test_apprise_hands_the_page_over(listener: Listener):
    assert send(listener) == Receipt.sent()
    (request,) = listener.heard
    said = json.loads(request.body)
    assert said["title"] == PAGE.subject
    assert PAGE.link in said["message"]
    assert f"[{PAGE.key[:8]}]" in said["message"]
    assert request.headers["x-gotify-key"] == TOKEN


@pytest.mark.parametrize(("status", "outcome"), [(401, Outcome.BROKEN), (500, Outcome.RETRY)])
def test_what_an_answer_means(listener: Listener, status: int, outcome: Outcome):
    listener.always(status)
    receipt = send(listener)
    assert receipt.outcome is outcome
    assert str(status) in receipt.reason
    assert TOKEN not in receipt.reason


def test_a_redirect_to_the_metadata_address_is_stopped_at_the_connection(listener: Listener):
    listener.always(307, Location="http://169.254.169.254/latest/meta-data")
    receipt = send(listener)
    assert receipt.outcome is Outcome.BROKEN
    assert "metadata" in receipt.reason


def test_a_private_address_is_refused_unless_allowed(listener: Listener, settings: Any):
    settings.ALLOW_PRIVATE_TARGETS = False
    receipt = send(listener)
    assert receipt.outcome is Outcome.BROKEN
    assert "ANDON_ALLOW_PRIVATE_TARGETS" in receipt.reason
    assert listener.heard == []


def test_what_is_too_slow_is_ended(listener: Listener, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apart, "DEADLINE", 4.0)
    listener.answer = trickle
    receipt = send(listener)
    assert receipt.outcome is Outcome.RETRY
    assert "within 4 seconds" in receipt.reason


def test_the_deadline_is_within_the_lease():
    from andon.paging.sending import LEASE

    assert LEASE.total_seconds() > apart.DEADLINE


def test_the_process_holds_no_secret_of_andons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A runner that only tells its environment and its arguments."""
    spy = tmp_path / "spy.py"
    spy.write_text(
        "import os, sys, json\n"
        "sys.stdin.read()\n"
        "print(json.dumps({'outcome': 'retry', 'reason': ' '.join([*sys.argv, *os.environ, *os.environ.values()])}))\n"
    )
    monkeypatch.setattr(apart, "RUNNER", spy)
    monkeypatch.setenv("ANDON_SECRET_KEY", "the-secret-of-the-test")
    told = find("apprise").send(PAGE, Destination(f"gotify://127.0.0.1:1/{TOKEN}")).reason
    assert "spy.py" in told
    for secret in ("ANDON_", "the-secret-of-the-test", TOKEN):
        assert secret not in told


@pytest.mark.parametrize(
    "said", [b"", b"Traceback", b"[]\n", b'{"outcome": "triumph", "reason": ""}\n', b"\xff\xfe", b"{}", b"null"]
)
def test_a_runner_that_talks_nonsense_is_another_try(said: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fake = tmp_path / "fake.py"
    fake.write_text(f"import sys\nsys.stdin.read()\nsys.stdout.buffer.write({said!r})\n")
    monkeypatch.setattr(apart, "RUNNER", fake)
    assert find("apprise").send(PAGE, Destination("gotify://x/y")).outcome is Outcome.RETRY


@pytest.mark.parametrize(
    ("attempt", "why"),
    [
        ("import subprocess; subprocess.run(['true'])", "start a program"),
        ("import os; os.system('true')", "start a program"),
        ("open('written', 'w')", "write a file"),
        ("import os; os.open('written', os.O_CREAT | os.O_WRONLY)", "write a file"),
        ("import os; os.remove('somewhere')", "write a file"),
        ("import socket; socket.create_connection(('169.254.169.254', 80), 1)", "metadata"),
        ("import socket; socket.create_connection(('127.0.0.1', 9), 1)", "private"),
        ("import socket; socket.create_connection(('::ffff:169.254.169.254', 80), 1)", "metadata"),
        ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'', ('10.0.0.1', 9))", "private"),
        ("import socket; socket.socket(socket.AF_UNIX).connect('/run/any.sock')", "this machine"),
    ],
)  # fmt: skip
def test_the_guard_lets_nothing_happen_on_this_machine(attempt: str, why: str, tmp_path: Path):
    program = (
        f"import sys; sys.path.insert(0, {str(Path(runner.__file__).parent)!r}); import runner\n"
        "guard = runner.Guard(allow_private=False)\n"
        "import subprocess, socket, os\n"
        "sys.addaudithook(guard)\n"
        f"try:\n    {attempt}\nexcept Exception as error:\n    print(type(error).__name__, guard.stopped)\n"
    )
    command = [sys.executable, "-B", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, env=dict(os.environ))
    assert done.stdout.startswith("Refused"), done.stdout + done.stderr
    assert why in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_guard_lets_public_addresses_and_reading_pass():
    guard = runner.Guard(allow_private=False)
    guard("socket.connect", (None, ("93.184.215.14", 443)))
    guard("socket.connect", (None, ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", 443, 0, 0)))
    guard("open", ("/etc/ssl/certs/ca-certificates.crt", "r", os.O_RDONLY))
    guard("import", ("anything",))
    assert guard.stopped == ""


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"taken": True, "stopped": "", "status": ""}, "sent"),
        ({"taken": False, "stopped": "It would write a file.", "status": "500"}, "broken"),
        ({"taken": False, "stopped": "", "status": "404"}, "broken"),
        ({"taken": False, "stopped": "", "status": "503"}, "retry"),
        ({"taken": False, "stopped": "", "status": ""}, "retry"),
    ],
)
def test_what_came_of_it(facts: dict[str, Any], outcome: str):
    assert runner.judge(**facts)[0] == outcome


# The address.


def test_every_listed_service_is_known_to_apprise():
    program = (
        "from apprise.manager_plugins import NotificationManager\nprint(' '.join(NotificationManager().schemas()))\n"
    )
    known = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert set(known) >= SCHEMES


def test_apprise_is_never_imported_into_andons_own_process():
    assert "apprise" not in sys.modules


def test_a_listed_service_is_taken():
    address = "TGRAM://123456789:abcdefg_hijklmnop/12315544/"
    assert setup("apprise").way.check(f" {address} ") == address


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd", "syslog://", "dbus://", "windows://", "macosx://", "gnome://", "qt://", "glib://",
        "blink1://", "rsyslog://127.0.0.1", "json://example.org", "xml://example.org", "form://example.org",
        "apprise://example.org/token", "mailto://user:pass@example.org", "vapid://x/y?keyfile=/etc/passwd",
        "exec://true", "slack://a/b/c", "ntfy://topic", "https://example.org", "gotify://", "gotify", "", "://",
        "gotify://exa\nmple/x",
    ],
)  # fmt: skip
def test_everything_else_is_refused(address: str):
    with pytest.raises(Invalid):
        setup("apprise").way.check(address)


def test_only_its_end_is_shown(cast: Any):
    point = cast.lena.contact_points.get()
    point.kind, point.address = "apprise", "gotify://push.example.org/Aabcdefghijklmn"
    assert point.shown_address == "gotify://…klmn"
    assert "abcdefgh" not in str(point)


def test_a_part_that_is_not_installed_is_named():
    """Growl needs a package that Andon does not bring; it is on no list, and stands here for a service that lacks one."""
    told = apart.run({"check": "growl://localhost"})
    assert told["readable"] is False
    assert "gntp" in told["reason"]
    assert "not installed" in told["reason"]
