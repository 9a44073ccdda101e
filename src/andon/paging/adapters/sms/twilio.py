"""The part of Twilio's REST API that pages need: a request of an account, what its answer means, and its signature.

Formats: twilio.com/docs, "Messages resource", "Calls resource", "Error and warning dictionary" and "Webhooks security".
Other providers speak the same under an address of their own.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from andon.kit import outbound
from andon.kit.fields import Settings
from andon.paging.answers import of_status
from andon.paging.channel import Destination, Receipt

_GONE = {21610: "the person answered STOP to this number"}
_BROKEN = {
    21211: "this is no number that can be reached",
    21214: "this is no number that can be called",
    21217: "this is no number that can be called",
    21219: "a trial account does not reach numbers that it has not verified",
    21608: "a trial account does not reach numbers that it has not verified",
    21614: "this number takes no text messages",
    21612: "no text message gets from Andon's number to this one",
    30005: "the number is not in use",
    30006: "this is a landline, or a network that cannot be reached",
}
_UNABLE = {
    20003: "it does not accept Andon's credentials",
    20404: "there is no such account",
    21212: "Andon's own number is none of the account's",
    21215: "the account may not call this country",
    21408: "the account may not send to this country",
    21603: "Andon has no number to send from",
    21606: "Andon's own number cannot send text messages",
    21659: "Andon's own number is none of the account's",
    30007: "a network took it for spam",
    30034: "Andon's own number is not registered for messages to this country",
}


def post(resource: str, form: Mapping[str, str], destination: Destination) -> Receipt:
    """Ask the account for a message or a call: `resource` is "Messages" or "Calls"."""
    settings = destination.settings
    url = f"{settings['server']}/2010-04-01/Accounts/{settings['account']}/{resource}.json"
    credentials = base64.b64encode(f"{settings['account']}:{settings['token']}".encode()).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {credentials}"}
    try:
        answer = outbound.post(url, urlencode(form).encode(), headers)
    except outbound.TargetRefused as refused:
        return Receipt.unable(refused.what)
    except outbound.Unreachable as error:
        return Receipt.retry(f"The phone provider did not answer: {error}"[:300])
    return _meant(answer)


def _meant(answer: outbound.Answer) -> Receipt:
    said = _read(answer.body)
    if answer.ok:
        ref = said.get("sid")
        return Receipt.sent(ref=ref if isinstance(ref, str) else "")
    code = said.get("code")
    known = of_code(code) if isinstance(code, int) else None
    return known or of_status("The phone provider", answer)


def _read(body: bytes) -> dict[str, Any]:
    """The object that the answer is; nothing when it is something else."""
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def of_code(code: int) -> Receipt | None:
    """What an error of the dictionary means; None for one that may pass, such as a phone that is switched off."""
    if code in _GONE:
        return Receipt.broken(f"The phone provider says ({code}): {_GONE[code]}.", gone=True)
    if code in _BROKEN:
        return Receipt.broken(f"The phone provider says ({code}): {_BROKEN[code]}.")
    if code in _UNABLE:
        return Receipt.unable(f"The phone provider says ({code}): {_UNABLE[code]}. An administrator looks at Channels.")
    return None


def is_genuine(url: str, params: Mapping[str, str], signature: str, settings: Settings) -> bool:
    """Whether a request to `url` with these POST parameters was signed with the account's token.

    The signature is the base64 of HMAC-SHA1 over the URL and every parameter's name and value, in the order of names.
    Some senders sign the URL with the port and some without it.
    """
    rest = "".join(name + params[name] for name in sorted(params))
    good = [_sign(each + rest, settings["token"]) for each in _with_and_without_port(url)]
    return any([hmac.compare_digest(one.encode(), signature.encode()) for one in good])  # noqa: C419  as long for all


def _sign(text: str, token: str) -> str:
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _with_and_without_port(url: str) -> set[str]:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {url, *(urlunsplit(parts._replace(netloc=netloc)) for netloc in (f"{host}", f"{host}:{port}"))}
