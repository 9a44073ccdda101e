"""What Slack needs: an app of one's own in the workspace, made from the manifest in docs/how-to/page-by-slack.md."""

import re
from collections.abc import Callable

from andon.kit.errors import Invalid
from andon.kit.fields import Field
from andon.paging.setup import Setup, web_address
from andon.people.ways import Way
from andon.practice.severity import Severity


def _like(pattern: str, example: str) -> Callable[[str], str]:
    """A check that a value has a form; `example` is what people are shown."""
    form = re.compile(pattern)

    def check(value: str) -> str:
        value = value.strip()
        if not form.fullmatch(value):
            raise Invalid(f"It looks like {example}.")
        return value

    return check


def _severity(value: str) -> str:
    value = value.strip().upper()
    if value not in Severity.__members__:
        raise Invalid("It is one of S1 to S5, or empty for no channels.")
    return value


SETUP = Setup(
    what="Pages as direct messages with buttons, and a Slack channel for each incident if you like.",
    way=Way(
        label="Slack member ID",
        help="In Slack: your profile, the three dots, “Copy member ID”. It looks like U012AB3CD.",
        check=_like(r"[UW][A-Z0-9]{6,20}", "U012AB3CD"),
    ),
    fields=(
        Field(
            "token",
            "Bot token",
            help="“OAuth & Permissions”, Bot User OAuth Token; it begins with xoxb-.",
            secret=True,
            check=_like(r"xoxb-[\w-]{5,}", "xoxb-…"),
        ),
        Field(
            "signing_secret",
            "Signing secret",
            help="“Basic Information”, App Credentials.",
            secret=True,
            check=_like(r"[\w-]{8,128}", "32 letters and digits"),
        ),
        Field(
            "team",
            "Workspace ID",
            help="In the address of Slack in a browser, after /client/. It looks like T012AB3CD.",
            check=_like(r"T[A-Z0-9]{6,20}", "T012AB3CD"),
        ),
        Field(
            "announce",
            "Announce in channel",
            help="The ID of a channel where every incident that is not restricted is announced; invite the app there.",
            required=False,
            check=_like(r"[CG][A-Z0-9]{6,20}", "C012AB3CD"),
        ),
        Field(
            "channels_from",
            "A channel per incident from",
            help="S3 makes a channel for each incident of S1 to S3. Empty makes none.",
            required=False,
            check=_severity,
        ),
        Field(
            "url",
            "Address of Slack's Web API",
            help="Leave it empty for Slack itself.",
            default="https://slack.com/api",
            required=False,
            check=web_address,
            target=True,
        ),
    ),
)
