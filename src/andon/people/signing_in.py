"""Signing in and out on a server that is older than the rules of its database: people must be able to look.

A session, the times that are kept of it, a second factor's counter and the provider's identity of somebody known are
read by no engine. An account that is made is: pages go to its contact points. So the provider's callback, which is a
GET, lets in whoever is known, and neither makes an account nor connects one; `adapter` sees to that. See docs/adr/0014.
"""

from typing import Final

from allauth.account import views as accounts
from allauth.mfa.base import views as factors
from allauth.mfa.webauthn import views as passkeys
from allauth.socialaccount.providers.openid_connect import views as provider
from django.http import HttpRequest

from andon.kit.outdated import go_on, when_outdated

NO_ACCOUNT: Final = (
    "Andon is being updated, and this server, which still runs the older version, makes no accounts. If you were "
    "invited, your invitation stays as it is: try again in a few minutes."
)
NO_CONNECTION: Final = (
    "Andon is being updated, and this server, which still runs the older version, changes no accounts: single sign-on "
    "was not connected to yours. Try again in a few minutes."
)


def _only_the_known(request: HttpRequest) -> None:
    request.andon_only_the_known = True  # type: ignore[attr-defined]  # kept on the request for its own duration


def only_the_known(request: HttpRequest) -> bool:
    """Whether whoever comes from the identity provider may be let in, and nothing else."""
    return getattr(request, "andon_only_the_known", False)


def stay_open() -> None:
    """Let allauth's views begin, confirm and end sessions there; whatever else they do is refused."""
    for view in (
        accounts.login,
        accounts.logout,
        accounts.reauthenticate,
        factors.authenticate,
        factors.reauthenticate,
        passkeys.login_webauthn,
        passkeys.reauthenticate_webauthn,
        provider.login,
    ):
        when_outdated(go_on)(view)
    when_outdated(_only_the_known)(provider.callback)
