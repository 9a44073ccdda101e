"""Addresses of this slice's pages."""

from django.urls import URLPattern, URLResolver, path

from andon.people import signing_in
from andon.people.pages import account, entrance, people, teams

signing_in.stay_open()

urlpatterns: list[URLPattern | URLResolver] = [
    path("setup/<str:token>", entrance.setup, name="setup"),
    path("invite/<str:token>", entrance.invitation, name="invitation"),
    path("contact/<str:token>", entrance.confirm_contact_point, name="contact_point_confirm"),
    path("people", people.people, name="people"),
    path("people/invite", people.invite, name="invite"),
    path("people/invitations/<uuid:pk>/withdraw", people.withdraw, name="invitation_withdraw"),
    path("people/<uuid:pk>", people.person, name="person"),
    path("people/<uuid:pk>/role", people.change_role, name="person_role"),
    path("people/<uuid:pk>/deactivate", people.deactivate, name="person_deactivate"),
    path("people/<uuid:pk>/reactivate", people.reactivate, name="person_reactivate"),
    path("people/<uuid:pk>/erase", people.erase, name="person_erase"),
    path("people/<uuid:pk>/sign-out", people.sign_out, name="person_sign_out"),
    path("teams", teams.teams, name="teams"),
    path("teams/new", teams.create, name="team_create"),
    path("teams/<slug:slug>", teams.team, name="team"),
    path("teams/<slug:slug>/rename", teams.rename, name="team_rename"),
    path("teams/<slug:slug>/members", teams.add_member, name="team_join"),
    path("teams/<slug:slug>/members/<uuid:pk>/remove", teams.remove_member, name="team_leave"),
    path("account", account.account, name="account"),
    # allauth's page for further addresses is shadowed: single sign-on trusts the addresses of an account, and an
    # address that its owner has not shown to be theirs must not get among them.
    path("account/email/", account.addresses),
    path("account/profile", account.change_profile, name="own_profile"),
    path("account/quiet-hours", account.set_quiet_hours, name="own_quiet_hours"),
    path("account/theme", account.change_theme, name="own_theme"),
    path("account/sign-out-everywhere", account.sign_out_everywhere, name="own_sign_out"),
    path("account/contact-points", account.add_contact_point, name="own_contact_point_add"),
    path("account/contact-points/<uuid:pk>", account.change_contact_point, name="own_contact_point"),
    path("account/contact-points/<uuid:pk>/remove", account.remove_contact_point, name="own_contact_point_remove"),
    path("account/tokens", account.make_token, name="own_token_make"),
    path("account/tokens/<uuid:pk>/revoke", account.revoke_token, name="own_token_revoke"),
]
