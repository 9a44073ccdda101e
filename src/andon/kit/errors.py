"""Errors that tell a person what happened, what it means and what to do; every face renders them its own way."""


class Refused(Exception):  # noqa: N818  reads as what it is: the house refused, in words for a person
    """An action that was understood and not done. `status` is its HTTP meaning, `code` a stable name for machines."""

    status = 400
    code = "refused"

    def __init__(self, what: str, *, field: str = "", code: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.field = field
        if code:
            self.code = code


class Forbidden(Refused):
    """The person may not do this."""

    status = 403
    code = "forbidden"


class Missing(Refused):
    """There is no such thing, or the person may not know that there is."""

    status = 404
    code = "not-found"


class Conflict(Refused):
    """The thing is no longer in the state that the action needs."""

    status = 409
    code = "conflict"


class Invalid(Refused):
    """A value cannot be taken; `field` names it."""

    status = 422
    code = "invalid"


class Outdated(Refused):
    """This process is older than the rules of the database."""

    status = 503
    code = "outdated"
