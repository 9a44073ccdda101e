"""What the answers of web services mean for a page: sent, again later, never to this address, or not from here."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from andon.kit import outbound
from andon.paging.channel import Receipt

LONGEST_ASKED_WAIT: Final = timedelta(minutes=1)
"""The longest wait that another side can ask for: somebody waits for this page."""
_UNAUTHORISED: Final = frozenset({401, 403})
_NOT_THERE: Final = frozenset({404, 410})
_REFUSED: Final = frozenset({400, 413, 415, 422})


def judge(who: str, call: Callable[[], outbound.Answer], *, mine: bool = True) -> Receipt:
    """Call, and say what came of it. `who` begins a sentence: "The ntfy server".

    `mine`: the credentials are the installation's, so that a refusal of them is no fault of the person's address.
    Otherwise the address is itself the credential, and what refuses it refuses the address.
    """
    try:
        answer = call()
    except outbound.TargetRefused as refused:
        return Receipt.unable(refused.what) if mine else Receipt.broken(refused.what)
    except outbound.Unreachable as error:
        return Receipt.retry(f"{who} did not answer: {error}"[:300])
    return of_status(who, answer, mine=mine)


def of_status(who: str, answer: outbound.Answer, *, mine: bool = True) -> Receipt:
    """What a status means; anything that is not known to be for good is worth another try."""
    if answer.ok:
        return Receipt.sent()
    said = f"{who} answered {answer.status}"
    if answer.status in _UNAUTHORISED:
        if mine:
            return Receipt.unable(
                f"{said}: it does not accept Andon's credentials. An administrator looks at Channels."
            )
        return Receipt.broken(f"{said}: it does not accept this address any more.")
    if answer.status in _NOT_THERE and not mine:
        return Receipt.broken(f"{said}: there is nothing at this address any more.", gone=answer.status == 410)  # noqa: PLR2004
    if answer.status in _REFUSED:
        return Receipt.broken(f"{said}: it does not take the message.")
    return Receipt.retry(f"{said} instead of 2xx.", asked_wait(answer))


def asked_wait(answer: outbound.Answer) -> timedelta:
    """The wait that the other side asks for in seconds (RFC 9110, 10.2.3), held to a minute. Dates are not read."""
    asked = answer.headers.get("retry-after", "")
    seconds = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 0  # noqa: PLR2004  more digits than any wait
    return min(timedelta(seconds=seconds), LONGEST_ASKED_WAIT)
