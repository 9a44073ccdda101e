"""Pages of on call."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from andon.oncall import calendars


@login_not_required
@require_safe
def calendar_feed(_request: HttpRequest, token: str) -> HttpResponse:
    """A person's shifts for their calendar program, which cannot sign in: the address is the secret."""
    answer = HttpResponse(calendars.feed(token), content_type="text/calendar; charset=utf-8")
    answer["Cache-Control"] = "private, max-age=900"
    answer["Content-Disposition"] = 'inline; filename="on-call.ics"'
    return answer
