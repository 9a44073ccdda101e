"""Everything that changes people, their teams, how to reach them and what they hold."""

from andon.people.actions.accounts import (
    create_person,
    setup_link,
    take_invitation,
    take_invitation_by_identity,
)
from andon.people.actions.contacts import (
    Reach,
    add_contact_point,
    change_contact_point,
    contact_point_token,
    remove_contact_point,
    verify_contact_point,
)
from andon.people.actions.invitations import Invited, invite, withdraw_invitation
from andon.people.actions.persons import (
    change_profile,
    change_role,
    deactivate,
    erase,
    reactivate,
    set_quiet_hours,
    sign_out_everywhere,
)
from andon.people.actions.teams import (
    add_member,
    create_team,
    remove_member,
    rename_team,
)
from andon.people.actions.tokens import Minted, make_token, revoke_token

__all__ = [
    "Invited",
    "Minted",
    "Reach",
    "add_contact_point",
    "add_member",
    "change_contact_point",
    "change_profile",
    "change_role",
    "contact_point_token",
    "create_person",
    "create_team",
    "deactivate",
    "erase",
    "invite",
    "make_token",
    "reactivate",
    "remove_contact_point",
    "remove_member",
    "rename_team",
    "revoke_token",
    "set_quiet_hours",
    "setup_link",
    "sign_out_everywhere",
    "take_invitation",
    "take_invitation_by_identity",
    "verify_contact_point",
    "withdraw_invitation",
]
