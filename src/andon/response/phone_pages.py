"""What the phone provider fetches and reports: answers to text messages, what a call says, what became of both.

Every request carries the provider's signature, made with the account's token; without it nothing is read or done.
"""

import functools
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from andon.kit import clock
from andon.kit.errors import Refused
from andon.kit.outdated import when_outdated
from andon.paging import compose, links, outcomes
from andon.paging import queries as outbox
from andon.paging.adapters.sms import twilio
from andon.paging.adapters.voice import script
from andon.paging.outcomes import Report
from andon.paging.providers.queries import settings_of
from andon.people.actions.contacts import contact_point_of, verify_contact_point
from andon.people.models import ChannelKind
from andon.response import phone

View = Callable[..., HttpResponse]
ACKNOWLEDGE, CONFIRM = "4", "1"
CALLS = 3
"""Calls about one page before it counts as not taken."""
_DID_NOT_ARRIVE = frozenset({"undelivered", "failed"})
_NOBODY_ANSWERED = {
    "busy": "The line was busy.",
    "no-answer": "Nobody answered the call.",
    "failed": "The call could not be made.",
    "canceled": "The call was cancelled.",
}
_OUTDATED = "Andon is being updated, and this did not count. Please try again in a few minutes, or open Andon."
_CODE = re.compile(r"[0-9]{5}")


def from_provider(view: View) -> View:
    """Only for requests that the phone provider signed."""

    @login_not_required
    @csrf_exempt  # the signature is what makes a request genuine
    @never_cache
    @require_POST
    @functools.wraps(view)
    def checked(request: HttpRequest, **named: str) -> HttpResponse:
        try:
            account = settings_of(ChannelKind.SMS)
        except Refused as refused:
            raise Http404(refused.what) from None
        url = settings.BASE_URL + request.get_full_path()
        signature = request.headers.get("X-Twilio-Signature", "")
        if not twilio.is_genuine(url, request.POST.dict(), signature, account):
            return HttpResponse("The signature does not fit.", status=403, content_type="text/plain")
        if any("\0" in value for value in request.POST.values()):
            return HttpResponse("No text has a NUL in it.", status=400, content_type="text/plain")
        return view(request, **named)

    return checked


def _xml(reply: ET.Element) -> HttpResponse:
    text = ET.tostring(reply, encoding="utf-8", xml_declaration=True)
    return HttpResponse(text, content_type="text/xml; charset=utf-8")


def _call_outdated(request: HttpRequest) -> HttpResponse | None:
    """A call says what there is; what is pressed is not done by a server that is older than the engine."""
    return _xml(script.says(_OUTDATED)) if request.POST.get("Digits") else None


def _answer_outdated(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  as the other
    reply = ET.Element("Response")
    ET.SubElement(reply, "Message").text = _OUTDATED
    return _xml(reply)


@when_outdated(_answer_outdated)
@from_provider
def answer(request: HttpRequest) -> HttpResponse:
    """A text message came in; what is answered goes back to whoever wrote."""
    said = phone.answer(request.POST.get("From", ""), request.POST.get("Body", ""))
    reply = ET.Element("Response")
    if said:
        ET.SubElement(reply, "Message").text = script.speakable(said)
    return _xml(reply)


@when_outdated(_call_outdated)
@from_provider
def call(request: HttpRequest, kind: str, token: str) -> HttpResponse:
    """What a call says; and, once a key was pressed, what that did."""
    pressed = request.POST.get("Digits", "")
    try:
        return _xml(_about_page(token, pressed) if kind == "page" else _about_test(token, pressed))
    except links.Expired:
        return _xml(script.says("This call is about a page that is older than a week. Please look at Andon."))
    except Refused as refused:
        return _xml(script.says(refused.what))


def _about_page(token: str, pressed: str) -> ET.Element:
    ticket = links.read(token)
    page = outbox.of_ticket(ticket) if ticket else None
    if page is None:
        return script.says("This call is about a page that is not there any more. Please look at Andon.")
    page = outbox.with_its_bundle(page)
    if pressed == ACKNOWLEDGE:
        return script.says(phone.take_all((page, *page.others), via="voice"))
    message = compose.page(page, compose.first_steps([page.incident_id]))
    return script.asks(script.of_page(message))


def _about_test(token: str, pressed: str) -> ET.Element:
    if pressed == CONFIRM:
        verify_contact_point(token)
        return script.says("Thank you. Pages will reach you by a call like this one.")
    return script.asks(script.of_test(contact_point_of(token).person.name))


@from_provider
def status(request: HttpRequest, channel: str, key: str) -> HttpResponse:
    """What became of a message or a call that was handed over."""
    given = request.POST
    if channel == "sms" and given.get("MessageStatus") in _DID_NOT_ARRIVE:
        report = _undelivered(given.get("MessageSid", ""), given.get("ErrorCode", ""))
        outcomes.came_back(key, report, clock.now())
    elif channel == "voice" and (why := _NOBODY_ANSWERED.get(given.get("CallStatus", ""))):
        outcomes.came_back(key, Report(given.get("CallSid", ""), why, most=CALLS), clock.now())
    return HttpResponse(status=204)


def _undelivered(ref: str, code: str) -> Report:
    if not _CODE.fullmatch(code):
        return Report(ref, "The message did not arrive, and the phone provider does not say why.")
    known = twilio.of_code(int(code))
    if known is None:
        return Report(ref, f"The message did not arrive; the phone provider says {code}.")
    return Report(ref, known.reason, known.outcome, gone=known.gone)
