"""What the tests of people and of the API share."""

import re

from andon.people import actions
from andon.people.api_auth import SCOPES
from andon.people.models import Person
from andon.people.policy import Actor


def token_for(person: Person, *scopes: str) -> dict[str, str]:
    """Headers for Django's test client that call the API as `person`."""
    minted = actions.make_token(name="test", scopes=scopes or SCOPES, days=None, by=Actor.of(person))
    return {"HTTP_AUTHORIZATION": f"Bearer {minted.token}"}


INLINE = (
    re.compile(r"<style\b", re.IGNORECASE),
    re.compile(r"\sstyle\s*=", re.IGNORECASE),
    re.compile(r"<[^>]+\son[a-z]+\s*=", re.IGNORECASE),
    re.compile(r"javascript:", re.IGNORECASE),
)
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.IGNORECASE | re.DOTALL)


def breaks_our_policy(html: str) -> list[str]:
    """What in a page our content policy would block: inline scripts, handlers, styles. Data blocks are no scripts."""
    found = [hit.group(0) for pattern in INLINE for hit in pattern.finditer(html)]
    for attributes, body in _SCRIPT.findall(html):
        if 'type="application/json"' in attributes:
            continue
        if " src=" not in attributes or body.strip():
            found.append(f"<script{attributes}>{body[:60]}")
    return found
