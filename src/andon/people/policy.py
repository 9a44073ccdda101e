"""Who acts, and what their role in the organisation lets them do. The first statement of every action asks here."""

from dataclasses import dataclass
from typing import Self

from andon.kit.errors import Forbidden
from andon.people.models import Person
from andon.practice.words import OrgRole


@dataclass(frozen=True)
class Actor:
    """Who does something: a person, or a part of Andon that acts by rule.

    `name` is what the timeline keeps: `person:<id>`, `engine`, `integration:<slug>`.
    """

    name: str
    person: Person | None = None

    @classmethod
    def of(cls, person: Person) -> Self:
        """A person who acts themselves."""
        return cls(name=f"person:{person.pk}", person=person)

    @classmethod
    def engine(cls) -> Self:
        """The clockwork."""
        return cls(name="engine")

    @classmethod
    def integration(cls, slug: str) -> Self:
        """A sender of signals."""
        return cls(name=f"integration:{slug}")

    @classmethod
    def operator(cls, login: str = "") -> Self:
        """Whoever has a shell on the machine that runs Andon; `login` is their account there."""
        return cls(name=f"operator:{login[:60]}" if login else "operator")

    @property
    def is_machine(self) -> bool:
        """Whether no person stands behind this."""
        return self.person is None

    def may(self, role: OrgRole) -> bool:
        """Whether the actor holds at least `role`; the machine does what its rules say."""
        return self.person is None or (self.person.is_active and self.person.org_role.at_least(role))

    def must_be(self, role: OrgRole, doing: str) -> None:
        """Raise `Forbidden` unless the actor holds at least `role`; `doing` completes "You cannot …"."""
        if not self.may(role):
            raise Forbidden(
                f"You cannot {doing}: it takes the role {role.label} and yours is "
                f"{self.person.org_role.label if self.person else 'none'}. An administrator can change it."
            )

    def must_be_person(self, doing: str) -> Person:
        """The person behind it; raises `Forbidden` where only a person may act."""
        if self.person is None:
            raise Forbidden(f"Only a person can {doing}.")
        return self.person
