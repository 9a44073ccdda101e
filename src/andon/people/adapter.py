"""How allauth fits Andon: nobody signs up by themselves; an invitation or the identity provider vouches."""

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from andon.kit.errors import Outdated, Refused
from andon.people import actions, signing_in
from andon.people.models import Person

_log = logging.getLogger("andon.people")


class ProviderUnreachable(Refused):
    """The identity provider does not answer, or answers with an error of its own."""

    status = 503
    code = "identity-provider-unreachable"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Passwords and passkeys."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  allauth's signature
        """Accounts come from invitations."""
        return False


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """OpenID Connect: somebody known by a verified address, or invited under it. Everyone else is told why not."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:  # noqa: ARG002  as above
        """Accounts come from invitations; `pre_social_login` has looked for one."""
        return False

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[Person, str] | None:
        """The account with an address that the provider vouches for."""
        for email in _vouched(sociallogin):
            person = Person.objects.filter(email__iexact=email, erased_at=None).first()
            if person is not None:
                return person, email
        return None

    def get_requests_session(self) -> Any:
        """What allauth asks the provider with. A provider that is gone becomes words, not a broken page."""
        session = super().get_requests_session()
        ask = session.request

        def request(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            try:
                answer = ask(method, url, *args, **kwargs)
                if method.upper() == "GET":  # discovery, keys, userinfo; the token endpoint's errors allauth reads
                    answer.raise_for_status()
            except OSError as error:  # every error of requests is one
                _log.warning("The identity provider could not be asked (%s): %s", url, error)
                raise ProviderUnreachable(
                    "Single sign-on could not be asked who you are: the provider does not answer. Try again in a "
                    "minute, or sign in with a password; if it stays so, tell an administrator."
                ) from error
            return answer

        session.request = request
        return session

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Let in whom we know and whom somebody invited; refuse the others in words."""
        older = signing_in.only_the_known(request)
        if request.user.is_authenticated:
            if older and sociallogin.state.get("process") == AuthProcess.CONNECT:
                raise Outdated(signing_in.NO_CONNECTION)
            return  # connecting an identity to the account that is signed in
        if sociallogin.is_existing:
            if not sociallogin.user.is_active:
                raise ImmediateHttpResponse(
                    _refused(request, "This account is deactivated. An administrator can change that.")
                )
            return
        if older:
            raise Outdated(signing_in.NO_ACCOUNT)
        found = _invited(sociallogin)
        if isinstance(found, Person):
            sociallogin.connect(request, found)
            return
        raise ImmediateHttpResponse(_refused(request, found))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,  # noqa: ARG002  as above
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002  as above
    ) -> None:
        """The provider said no, or could not be asked."""
        why = (
            f"You stopped at {provider.name}."
            if error in {AuthError.CANCELLED, AuthError.DENIED}
            else f"{provider.name} could not be asked who you are, or its answer could not be checked. Try again; "
            "if it stays so, tell an administrator."
        )
        raise ImmediateHttpResponse(_refused(request, why, status=401))


def _invited(sociallogin: SocialLogin) -> Person | str:
    """The new account of somebody invited, or why there is none."""
    vouched = _vouched(sociallogin)
    if not vouched:
        return (
            "Your identity provider does not say that your e-mail address is verified, so Andon cannot tell who you "
            "are. Ask whoever runs the provider, or sign in with a password."
        )
    for email in vouched:
        try:
            person = actions.take_invitation_by_identity(email=email, name=_name(sociallogin))
        except Refused as refused:
            return refused.what
        if person is not None:
            return person
    return f"There is no account for {vouched[0]}, and no open invitation. Ask an administrator to invite this address."


def _vouched(sociallogin: SocialLogin) -> list[str]:
    """The addresses that the provider calls verified. Some providers say it as text, and "false" is text too."""
    return [address.email for address in sociallogin.email_addresses if str(address.verified).strip().lower() == "true"]


def _name(sociallogin: SocialLogin) -> str:
    told = sociallogin.account.extra_data
    claims = told.get("userinfo") or told.get("id_token") or told
    return str(claims.get("name") or "").strip()


def _refused(request: HttpRequest, why: str, *, status: int = 403) -> HttpResponse:
    return render(request, "people/sign_in_refused.html", {"why": why}, status=status)
