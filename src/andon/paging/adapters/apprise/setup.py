"""What pages by Apprise need: each person's own Apprise URL, of a service on the list."""

from andon.kit.errors import Invalid
from andon.paging.adapters.apprise import apart
from andon.paging.setup import Setup
from andon.people.ways import Way

# fmt: off
SCHEMES = frozenset({
    "46elks", "bark", "barks", "bulksms", "clickatell", "clicksend", "d7sms", "dingtalk", "discord", "elks", "feishu",
    "flock", "freemobile", "gchat", "goalert", "goalerts", "gotify", "gotifys", "guilded", "ifttt", "ilert",
    "incidentio", "join", "kavenegar", "lark", "line", "mastodon", "mastodons", "matrix", "matrixs", "misskey",
    "misskeys", "mmost", "mmosts", "msg91", "msgbird", "nctalk", "nctalks", "nexmo", "notica", "noticas", "opsgenie",
    "pagertree", "pbul", "plivo", "pover", "prowl", "psafer", "psafers", "pushdeer", "pushme", "pushy", "revolt",
    "rocket", "rockets", "ryver", "schan", "seven", "sfr", "signal", "signals", "signl4", "simplepush", "sinch",
    "smseagle", "smseagles", "smsmanager", "spike", "splunk", "spush", "squadcast", "stackfield", "synology",
    "synologys", "telnyx", "tgram", "threema", "twist", "victorops", "voipms", "vonage", "webex", "wecombot",
    "whatsapp", "wxteams", "zulip",
})
# fmt: on
"""The services that a person's URL may name. Left out is whatever acts on the machine that Andon runs on, sends
anything anywhere (a webhook does that, signed), reads key files, or has a channel of its own here."""


def url(address: str) -> str:
    """An Apprise URL of a listed service, which the installed Apprise can read."""
    address = address.strip()
    scheme, found, _ = address.partition("://")
    if not found or not address.isprintable():
        raise Invalid("An Apprise URL begins with the service, such as tgram:// or discord://.")
    if scheme.lower() not in SCHEMES:
        raise Invalid(f"{scheme[:30]}:// is not among the services that Andon reaches through Apprise.")
    told = apart.run({"check": address})
    if told.get("readable") is not True:
        raise Invalid(str(told.get("reason") or "Apprise did not answer. Try again in a moment."))
    return address


SETUP = Setup(
    what="Telegram, Discord, Matrix, Signal, Pushover and some eighty more services, through Apprise.",
    way=Way(
        label="Apprise URL",
        help="The service and your key there, such as tgram://bot-token/chat-id or gotifys://host/token.",
        check=url,
    ),
)
