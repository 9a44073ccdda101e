"""A value that no key opens: its row is read, what does not need it goes on, and nobody takes it for something else."""

import json

import pytest
from cryptography.fernet import Fernet

from andon.containment.models import Lever
from andon.intake.doors import find_door
from andon.intake.models import Integration
from andon.kit import clock
from andon.kit.crypto import Sealed, Undecryptable, opened, readable, unless_sealed
from andon.paging.providers.queries import destination
from andon.people.actions import keys
from andon.people.models import ContactPoint
from andon.people.policy import Actor
from andon.practice.containment import ApprovalRule
from andon.practice.words import ContainmentKind
from andon.response import opening
from andon.watch.models import Log
from andon.watch.reading.places import LogEngine
from tests.cli.conftest import andon
from tests.support import scenes

__all__ = ["andon"]  # a fixture of the command line's tests
pytestmark = pytest.mark.django_db


@pytest.fixture
def lost(cast, time, settings):
    """A lever, a warehouse, contact points and a signing secret, encrypted with a key that is no longer configured."""
    Lever.objects.create(
        number=1, system=cast.credit_scorer, name="Back to v6", kind=ContainmentKind.ROLL_BACK, adapter="webhook",
        settings={"url": "https://example.org/levers", "secret": "whsec_x", "state": "{}"},
        probe={"url": "https://example.org/state", "status": "200"}, approval=ApprovalRule.ALONE, changed_at=clock.now(),
    )  # fmt: skip
    Log.objects.create(
        system=cast.credit_scorer, name="Decisions", engine=LogEngine.POSTGRESQL, table="decisions",
        source="postgres://reader:secret@db.example.org/decisions", time_column="at",
    )  # fmt: skip
    Integration.objects.create(slug="grafana", name="Grafana", kind="grafana", token_digest="x", secret="s3cret")
    before, new = settings.FIELD_KEYS, Fernet.generate_key().decode()
    settings.FIELD_KEYS = [new, *before]
    assert keys.match()  # rotated; and then the earlier key was taken away
    settings.FIELD_KEYS = [new]
    return before


def test_to_use_it_is_refused_in_words_and_to_save_its_row_loses_nothing(cast, lost, settings):
    lever, log, point = Lever.objects.get(), Log.objects.get(), ContactPoint.objects.first()
    for value in (lever.settings, log.source, point.address):
        assert isinstance(value, Sealed)
        assert not readable(value)
        assert bool(value)
        assert "secret" not in repr(value)
        assert unless_sealed(value, "other") == "other"
        for use in (str, len, list, opened, lambda v: v["a"], lambda v: v.get("a"), lambda v: v.encode(), "{}".format):
            with pytest.raises(Undecryptable, match="ANDON_FIELD_KEYS"):
                use(value)
        with pytest.raises(TypeError):
            json.dumps(value)
    lever.effect = "Every replica serves v6."
    lever.save()
    log.save()
    settings.FIELD_KEYS = lost
    assert Lever.objects.get().settings["secret"] == "whsec_x"
    assert Lever.objects.get().effect == "Every replica serves v6."
    assert Log.objects.get().source.endswith("/decisions")


def test_no_signature_goes_unchecked_and_no_page_goes_to_an_address_that_cannot_be_read(cast, lost):
    with pytest.raises(Undecryptable):
        find_door("grafana", "")
    with pytest.raises(Undecryptable):
        destination(ContactPoint.objects.first())


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/levers", "Its settings and probe cannot be read."),
        ("/levers/1", "cannot be read: their key is missing"),
        ("/levers/1/change", "Back to v6"),
        ("/systems/credit-scorer", "Its settings and probe cannot be read."),
        ("/incidents/1", "Approvals fell"),
        ("/integrations", "Grafana"),
        ("/integrations/grafana", "Grafana"),
        ("/people", "Lena"),
        ("/account", "cannot be read: its key is missing"),
        ("/settings/channels", ""),
        ("/settings/channels/email", ""),
        ("/watches", ""),
        ("/", ""),
    ],
)
def test_pages_stand_and_say_what_cannot_be_read(cast, lost, signed_in, address, says):
    scenes.declared(cast)
    answer = signed_in(cast.nadia).get(address)
    assert answer.status_code == 200
    assert says in answer.text


def test_a_log_says_that_its_place_cannot_be_read(cast, lost, signed_in):
    answer = signed_in(cast.nadia).get(f"/logs/{Log.objects.get().pk}")
    assert answer.status_code == 200
    assert "cannot be read: its key is missing" in answer.text


def test_a_lever_that_cannot_be_read_is_not_pulled_and_the_api_says_why(cast, lost, client):
    incident = opening.declare(title="Approvals fell", system=cast.credit_scorer, by=Actor.of(cast.lena))
    head = scenes.token(cast.nadia, "levers:write", "levers:read")
    row = client.get("/api/v1/levers/1", headers=head).json()
    assert (row["fit"], row["settings"]) == (False, {})
    assert "ANDON_FIELD_KEYS" in row["says"]
    refused = client.post(
        "/api/v1/levers/1/pull", {"incident": incident.number}, content_type="application/json", headers=head
    )
    assert refused.status_code == 422
    assert "cannot be read" in refused.json()["detail"]


def test_a_lever_is_given_its_settings_again(cast, lost, signed_in):
    form = {
        "name": "Back to v6", "kind": "roll_back", "approval": "alone", "verify_seconds": 60, "every_seconds": 2,
        "settings.url": "https://example.org/levers", "settings.secret": "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cw==",
        "settings.state": '{"model": "v6"}', "settings.state_url": "https://example.org/state",
    }  # fmt: skip
    answer = signed_in(cast.nadia).post("/levers/1/change", form)
    assert answer.status_code == 302, answer.text
    assert Lever.objects.get().settings["url"] == "https://example.org/levers"


def test_check_counts_what_cannot_be_read(cast, lost, andon):
    said = andon("check")
    assert said.code == 1
    told = " ".join(said.err.split())
    assert "What these hold cannot be read: contact points (7), integrations (1), levers (1), logs (1)." in told
    assert "ANDON_FIELD_KEYS" in told
