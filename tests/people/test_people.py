"""Invitations, roles, leaving and being forgotten."""

import json
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from andon.api.models import KeptAnswer
from andon.kit import clock, ids
from andon.kit.errors import Conflict, Forbidden, Invalid, Missing
from andon.people import actions, queries, ties
from andon.people.models import ApiToken, Invitation, Membership, Person, Team
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from andon.response import opening
from tests.support.cast import PASSWORD

pytestmark = pytest.mark.django_db
ANSWERS = {"name": "Noor", "password": "four words make one", "time_zone": "Asia/Kolkata"}


def invite(cast, **facts):
    return actions.invite(**{"email": "noor@example.org", "role": OrgRole.RESPONDER, **facts}, by=Actor.of(cast.nadia))


def test_an_invitation_is_sent_and_its_message_proves_the_address(cast, signed_in):
    page = signed_in(cast.nadia).post(
        "/people/invite", {"email": "noor@example.org", "role": "lead", "team": "credit-models"}
    )
    assert page.status_code == 200
    shown = page.context["invited"].link
    assert shown in page.text
    (message,) = mail.outbox
    assert message.to == ["noor@example.org"]
    link = next(line for line in message.body.splitlines() if line.startswith("http"))
    assert link.startswith(shown)
    client = Client()
    assert "noor@example.org" in client.get(link).text
    assert client.post(link, ANSWERS | {"email": "other@example.org"}).status_code == 302
    noor = Person.objects.get(email="noor@example.org")  # the invitation says the address, not the form
    assert noor.org_role is OrgRole.LEAD
    assert noor.teams.get().slug == "credit-models"
    assert noor.contact_points.get().works
    assert Invitation.objects.get().accepted_by == noor


def test_the_link_that_was_shown_proves_nothing_about_the_address(cast):
    Client().post(invite(cast).link, ANSWERS)
    assert not Person.objects.get(email="noor@example.org").contact_points.get().works


def test_a_proof_for_another_invitation_proves_nothing(cast):
    other = invite(cast, email="else@example.org").mail_link.split("=", 1)[1]
    Client().post(f"{invite(cast).link}?mail={other}", ANSWERS)
    assert not Person.objects.get(email="noor@example.org").contact_points.get().works


def test_without_a_mail_server_the_link_is_shown_with_the_reason(cast, signed_in, settings):
    settings.MAIL_CONFIGURED = False
    page = signed_in(cast.nadia).post("/people/invite", {"email": "noor@example.org", "role": "viewer"})
    assert "ANDON_SMTP_URL" in page.text
    assert not mail.outbox


def test_a_mail_server_that_is_gone_does_not_lose_the_invitation(cast, signed_in, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 1
    page = signed_in(cast.nadia).post("/people/invite", {"email": "noor@example.org", "role": "viewer"})
    assert "Pass the link on yourself" in page.text
    assert queries.open_invitations().count() == 1


def test_a_new_invitation_replaces_the_open_one(cast):
    first, second = invite(cast), invite(cast, email="NOOR@example.org")
    assert Client().get(first.link).status_code == 404
    assert Client().get(second.link).status_code == 200


def test_a_withdrawn_or_old_invitation_does_not_work(cast, time):
    gone = invite(cast)
    actions.withdraw_invitation(gone.invitation, by=Actor.of(cast.nadia))
    assert Client().get(gone.link).status_code == 404
    with pytest.raises(Conflict):
        actions.withdraw_invitation(gone.invitation, by=Actor.of(cast.nadia))
    old = invite(cast)
    time.forward(timedelta(days=7))
    assert Client().get(old.link).status_code == 404


def test_who_has_an_account_is_not_invited(cast):
    with pytest.raises(Conflict) as refused:
        invite(cast, email="Lena@Example.org")
    assert refused.value.field == "email"


def test_an_account_from_the_shell(cast):
    made = actions.create_person(
        email="Noor@example.org", name="Noor", role=OrgRole.LEAD, password=PASSWORD, by=Actor.operator()
    )
    assert made.check_password(PASSWORD)
    assert EmailAddress.objects.get(user=made).verified
    with pytest.raises(Conflict):
        actions.create_person(email="noor@EXAMPLE.org", name="Noor", by=Actor.operator())
    with pytest.raises(Invalid):
        actions.create_person(email="noor", name="Noor", by=Actor.operator())
    with pytest.raises(Forbidden):
        actions.create_person(email="x@example.org", name="X", by=Actor.of(cast.omar))


def test_the_last_active_administrator_stays(cast):
    by = Actor.of(cast.nadia)
    for leave in (
        lambda: actions.deactivate(cast.nadia, by=by),
        lambda: actions.change_role(cast.nadia, OrgRole.LEAD, by=by),
        lambda: actions.erase(cast.nadia, by=Actor.operator()),
    ):
        with pytest.raises(Conflict, match="last active administrator"):
            leave()
    actions.change_role(cast.omar, OrgRole.ADMIN, by=by)
    actions.deactivate(cast.nadia, by=by)
    assert not Person.objects.get(pk=cast.nadia.pk).is_active


def test_deactivating_ends_sessions_and_tokens_and_signing_in(cast, signed_in):
    browser = signed_in(cast.lena)
    minted = actions.make_token(name="t", scopes=["people:read"], days=None, by=Actor.of(cast.lena))
    assert browser.get("/account").status_code == 200
    actions.deactivate(cast.lena, by=Actor.of(cast.nadia))
    assert browser.get("/account").headers["Location"].startswith("/account/login/")
    answer = Client().get("/api/v1/me", HTTP_AUTHORIZATION=f"Bearer {minted.token}")
    assert answer.status_code == 401
    again = Client()
    answer = again.post("/account/login/", {"login": cast.lena.email, "password": PASSWORD}, follow=True)
    assert "_auth_user_id" not in again.session
    actions.reactivate(cast.lena, by=Actor.of(cast.nadia))
    assert browser.get("/account").status_code == 302, "the earlier session stays ended"
    assert Client().get("/api/v1/me", HTTP_AUTHORIZATION=f"Bearer {minted.token}").status_code == 200


def test_what_a_person_leaves_uncovered_is_said(cast, signed_in):
    said = ties.losses(cast.omar)
    assert any("Credit scorer" in sentence for sentence in said)
    assert any("Step 3 of the chain Credit" in sentence for sentence in said)
    browser = signed_in(cast.nadia)
    assert "Step 3 of the chain Credit" in browser.get(f"/people/{cast.omar.pk}").text
    page = browser.post(f"/people/{cast.omar.pk}/deactivate", follow=True)
    assert "Credit scorer" in page.text
    assert not Person.objects.get(pk=cast.omar.pk).is_active


def test_erasing_leaves_a_tombstone_and_nothing_that_names_or_reaches_them(cast, signed_in):
    lena = cast.lena
    browser = signed_in(lena)
    Membership.objects.get(person=lena)
    actions.make_token(name="t", scopes=["people:read"], days=None, by=Actor.of(lena))
    EmailAddress.objects.create(user=lena, email=lena.email, verified=True, primary=True)
    KeptAnswer.objects.create(person=lena, key="k", request_digest="", claimed_at=clock.now(), body="Lena")
    actions.erase(lena, by=Actor.of(cast.nadia))
    kept = Person.objects.get(pk=lena.pk)
    assert str(kept) == "Erased person"
    assert kept.email == f"erased-{lena.pk}@erased.invalid"
    assert not kept.has_usable_password()
    assert [point.address for point in kept.contact_points.all()] == [""]
    assert not kept.teams.exists()
    for model in (ApiToken, EmailAddress, KeptAnswer):
        owner = "user" if model is EmailAddress else "person"
        assert not model.objects.filter(**{owner: lena}).exists()
    assert browser.get("/account").status_code == 302
    with pytest.raises(Missing):
        queries.person(Actor.of(cast.nadia), lena.pk)
    with pytest.raises(Conflict):
        actions.reactivate(kept, by=Actor.of(cast.nadia))
    with pytest.raises(Conflict):
        actions.erase(kept, by=Actor.of(cast.nadia))
    invite(cast, email="lena@example.org")  # the address is free again


def test_nobody_erases_themselves(cast):
    actions.change_role(cast.omar, OrgRole.ADMIN, by=Actor.of(cast.nadia))
    with pytest.raises(Forbidden):
        actions.erase(cast.nadia, by=Actor.of(cast.nadia))


def test_teams_are_made_by_leads_and_kept_by_their_managers(cast):
    lead = Actor.of(cast.omar)
    team = actions.create_team(name="Fraud models", by=lead)
    assert team.slug == "fraud-models"
    with pytest.raises(Invalid):
        actions.create_team(name="Fraud models", by=lead)
    with pytest.raises(Forbidden):
        actions.add_member(team, cast.lena, by=Actor.of(cast.lena))
    actions.add_member(team, cast.lena, role=Membership.Role.MANAGER, by=lead)
    actions.add_member(team, cast.sam, by=Actor.of(cast.lena))
    actions.rename_team(team, name="Fraud", by=Actor.of(cast.lena))
    actions.remove_member(team, cast.sam, by=Actor.of(cast.sam))  # everyone may leave
    assert [one.person for one in team.memberships.all()] == [cast.lena]
    actions.deactivate(cast.sam, by=Actor.of(cast.nadia))
    with pytest.raises(Conflict):
        actions.add_member(team, cast.sam, by=lead)
    assert Team.objects.get(slug="fraud-models").name == "Fraud"


def test_the_list_of_people_can_be_searched_and_shows_who_cannot_be_paged(cast, signed_in):
    cast.rui.contact_points.update(broken_at=clock.now())
    browser = signed_in(cast.vera)
    page = browser.get("/people").text
    assert "no way yet" in page
    assert "Lena" in browser.get("/people?q=lena").text
    assert "Omar" not in browser.get("/people?q=lena").text
    assert ids.digest("x") not in page


def test_a_reporter_sees_themselves_alone(cast, signed_in):
    browser = signed_in(cast.rui)
    page = browser.get("/people").text
    assert "Rui" in page
    assert "Lena" not in page
    assert browser.get(f"/people/{cast.lena.pk}").status_code == 404
    assert browser.get(f"/people/{cast.rui.pk}").status_code == 200


def test_erasing_takes_the_name_out_of_the_chains_that_incidents_keep(cast):
    incident = opening.declare(title="Drift", system=cast.credit_scorer, type_=None, by=Actor.of(cast.omar))
    assert "Lena" in json.dumps(incident.chain)
    actions.erase(cast.lena, by=Actor.of(cast.nadia))
    incident.refresh_from_db()
    kept = json.dumps(incident.chain)
    assert "Lena" not in kept
    assert "Tomas" in kept
    assert str(cast.lena.pk) in kept
