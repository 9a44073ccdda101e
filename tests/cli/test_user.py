"""`andon user`: the way in when nobody can sign in, and when somebody leaves."""

import pytest
from django.test import Client

from andon.people.models import Person
from tests.support.cast import PASSWORD

pytestmark = pytest.mark.django_db


def path_of(link: str) -> str:
    return link.removeprefix("http://testserver")


def choose_a_password(link: str) -> None:
    browser = Client()
    form = browser.get(path_of(link), follow=True)
    assert form.status_code == 200
    done = browser.post(form.redirect_chain[-1][0], {"password1": PASSWORD, "password2": PASSWORD})
    assert done.status_code == 302


def test_a_new_person_chooses_a_password_by_the_link_and_signs_in(db, andon):
    said = andon("user", "create", "kim@example.org", "--name", "Kim", "--role", "admin", "--json")
    assert said.code == 0
    choose_a_password(said.data["link"])
    assert Person.objects.get(email="kim@example.org").check_password(PASSWORD)


def test_a_password_can_come_by_stdin_and_then_there_is_no_link(db, andon):
    said = andon("user", "create", "kim@example.org", "--name", "Kim", "--password-stdin", typed=f"{PASSWORD}\n")
    assert said.code == 0
    assert "http" not in said.out
    assert Person.objects.get().check_password(PASSWORD)


def test_a_weak_password_is_refused_in_words(db, andon):
    said = andon("user", "create", "kim@example.org", "--name", "Kim", "--password-stdin", typed="12345\n")
    assert said.code == 1
    assert said.err.startswith("andon: password: ")
    assert not Person.objects.exists()


def test_a_reset_link_works_once(cast, andon):
    said = andon("user", "reset-link", "lena@example.org")
    link = said.out.strip()
    choose_a_password(link)
    assert "/a/" not in link
    again = Client().get(path_of(link), follow=True)
    assert b"password1" not in again.content


def test_no_reset_link_for_somebody_who_left(cast, andon):
    andon("user", "deactivate", "lena@example.org")
    said = andon("user", "reset-link", "lena@example.org")
    assert said.code == 1
    assert "deactivated" in said.err
    assert andon("user", "reactivate", "lena@example.org").code == 0
    assert andon("user", "reset-link", "lena@example.org").code == 0


def test_roles_change_but_the_last_administrator_stays(cast, andon):
    assert andon("user", "role", "lena@example.org", "lead").code == 0
    said = andon("user", "role", "nadia@example.org", "viewer")
    assert said.code == 1
    assert "last active administrator" in said.err


def test_the_list_says_whom_no_page_can_reach(cast, andon):
    cast.lena.contact_points.update(broken_at="2026-03-02T00:00:00Z")
    rows = {row["email"]: row for row in andon("user", "list", "--json").data}
    assert rows["lena@example.org"]["reached_by"] == []
    assert "NOTHING" in andon("user", "list").out


def test_an_unknown_role_is_wrong_use(cast, andon):
    assert andon("user", "role", "lena@example.org", "emperor").code == 2
