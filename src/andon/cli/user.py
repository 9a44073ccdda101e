"""`andon user`: accounts, from a shell on the machine; for the first one, and when nobody can sign in."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.cli import house, say
from andon.cli.group import commands
from andon.practice.words import OrgRole

if TYPE_CHECKING:
    from andon.people.models import Person

app = commands("Create, list and change accounts.")

Email = Annotated[str, typer.Argument(help="The person's e-mail address.")]


@app.command()
def create(
    email: Email,
    name: Annotated[str, typer.Option(help="What to call the person.")],
    role: Annotated[OrgRole, typer.Option(help="What they may do.")] = OrgRole.RESPONDER,
    time_zone: Annotated[str, typer.Option(help="Their time zone (IANA name).")] = "UTC",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
    json: say.AsJson = False,
) -> None:
    """Create an account. Without a password it prints a link with which the person chooses one."""
    house.enter()
    from andon.people.actions import create_person

    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    made = create_person(email=email, name=name, role=role, password=password, time_zone=time_zone, by=house.operator())
    link = None if password_stdin else reset_link_for(made)
    data = {**facts(made), "link": link}
    text = f"Created {made} ({OrgRole(made.role).label.lower()})."
    say.answer(data, lambda: [text] if link is None else [text, "To choose a password:", link])


@app.command("list")
def list_(json: say.AsJson = False) -> None:
    """List the people, their roles, and whether a page can reach them."""
    house.enter()
    from andon.people import queries

    rows = [facts(person) for person in queries.people(house.operator()).order_by("name")]
    say.answer(
        rows,
        lambda: say.table(
            "name", "e-mail", "role", "active", "reached by",
            rows=[
                (row["name"], row["email"], row["role"], "yes" if row["active"] else "no",
                 ", ".join(row["reached_by"]) or "NOTHING")
                for row in rows
            ],
            empty="There is nobody yet. `andon up` prints the link for the first administrator.",
        ),
    )  # fmt: skip


@app.command()
def role(
    email: Email, role: Annotated[OrgRole, typer.Argument(help="The new role.")], json: say.AsJson = False
) -> None:
    """Give a person another role."""
    house.enter()
    from andon.people.actions import change_role

    changed = change_role(house.person(email), role, by=house.operator())
    say.answer(facts(changed), lambda: f"{changed} is now {role.words}.")


@app.command()
def deactivate(email: Email, json: say.AsJson = False) -> None:
    """End a person's access at once, and say what they leave uncovered."""
    house.enter()
    from andon.people.actions import deactivate as act

    person = house.person(email)
    uncovered = act(person, by=house.operator())
    say.answer({**facts(person), "uncovered": uncovered}, lambda: [f"{person} can no longer sign in.", *uncovered])


@app.command()
def reactivate(email: Email, json: say.AsJson = False) -> None:
    """Let a person sign in again."""
    house.enter()
    from andon.people.actions import reactivate as act

    person = act(house.person(email), by=house.operator())
    say.answer(facts(person), lambda: f"{person} can sign in again.")


@app.command("reset-link")
def reset_link(email: Email, json: say.AsJson = False) -> None:
    """Print a link with which a person chooses a new password. It works once; hand it over privately."""
    house.enter()
    from andon.kit.errors import Conflict

    person = house.person(email)
    if not person.is_active:
        raise Conflict(f"{person} is deactivated. `andon user reactivate {email}` first.")
    link = reset_link_for(person)
    say.answer({"email": person.email, "link": link}, lambda: link)


def reset_link_for(person: "Person") -> str:
    """The link of allauth's own reset, as its mail would carry it."""
    from allauth.account.forms import default_token_generator
    from allauth.account.utils import user_pk_to_url_str
    from django.conf import settings
    from django.urls import reverse

    key = {"uidb36": user_pk_to_url_str(person), "key": default_token_generator.make_token(person)}
    return str(settings.BASE_URL) + reverse("account_reset_password_from_key", kwargs=key)


def facts(person: "Person") -> dict[str, Any]:
    """A person for a program."""
    return {
        "id": str(person.pk),
        "email": person.email,
        "name": person.name,
        "role": person.role,
        "time_zone": person.time_zone,
        "active": person.is_active,
        "reached_by": [point.get_kind_display() for point in person.contact_points.all() if point.works],
    }
