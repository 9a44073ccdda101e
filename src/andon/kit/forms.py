"""What the pages' forms share."""

from django.forms import BaseForm

from andon.kit.errors import Refused


def refuse(form: BaseForm, refused: Refused) -> None:
    """Show a refusal where the person can do something about it: at its field, else above the form."""
    form.add_error(refused.field if refused.field in form.fields else None, refused.what)
