"""What text messages and phone calls need: an account with a provider, and numbers in the international form."""

import re

import phonenumbers

from andon.kit.errors import Invalid
from andon.kit.fields import Field
from andon.paging.setup import Setup, web_address
from andon.people.ways import Way

_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_NAME_OF_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}")


def number(address: str) -> str:
    """A phone number in the international form (E.164), however it is spaced."""
    try:
        parsed = phonenumbers.parse(address.strip(), None)
    except phonenumbers.NumberParseException:
        raise Invalid("Write the number with its country: +49 30 901820.") from None
    if not phonenumbers.is_valid_number(parsed):
        raise Invalid("There is no such number in the numbering plan of its country. Check the digits.")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def sender(value: str) -> str:
    """A number, or a messaging service by its id."""
    return value.strip() if _SERVICE.fullmatch(value.strip()) else own_number(value)


def own_number(value: str) -> str:
    """A number of the installation's; a provider's test numbers are in no numbering plan."""
    value = re.sub(r"[ ()./-]", "", value)
    if not re.fullmatch(r"\+[1-9]\d{6,14}", value):
        raise Invalid("Write the number with its country: +49 30 901820.")
    return value


def _account(value: str) -> str:
    value = value.strip()
    if not _NAME_OF_ACCOUNT.fullmatch(value):
        raise Invalid("An account SID has letters and digits only, such as AC followed by 32 of them.")
    return value


SETUP = Setup(
    what="Text messages through Twilio, or a provider that speaks as Twilio does. One acknowledges by answering.",
    way=Way(label="Phone number", help="With the country: +49 30 901820.", check=number),
    reports=True,
    fields=(
        Field(
            name="server",
            label="Server",
            help="Where the provider's API answers; another one for a provider that is compatible with Twilio.",
            default="https://api.twilio.com",
            check=web_address,
            target=True,
        ),
        Field(
            name="account",
            label="Account SID",
            help="On the first page of the provider's console; begins with AC.",
            check=_account,
        ),
        Field(
            name="token",
            label="Auth token",
            help="Beside it. Answers and calls that reach Andon are verified with it, so it must be the account's own.",
            secret=True,
        ),
        Field(
            name="sender",
            label="Number to send from",
            help="A number of the account that can send text messages, or the id of a messaging service (MG…).",
            check=sender,
        ),
        Field(
            name="caller",
            label="Number to call from",
            help="For phone calls, if it is another one; a messaging service cannot call.",
            required=False,
            check=own_number,
        ),
    ),
)
