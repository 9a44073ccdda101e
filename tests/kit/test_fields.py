"""Settings that people fill in: what is kept, what is refused, and where secrets may go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.kit.errors import Invalid
from andon.kit.fields import LONGEST, Field, checked, secrets_stay

SERVER = Field("server", "Server", target=True, default="https://example.org")
TOKEN = Field("token", "Token", secret=True)
NOTE = Field("note", "Note", required=False)
texts = st.sampled_from(["", "a", "b"])
settings = st.fixed_dictionaries({"server": texts, "token": texts, "note": texts})


@given(settings, settings)
def test_a_kept_secret_goes_nowhere_else_unless_it_is_given_again(before, after):
    moved = (before["server"] or SERVER.default) != (after["server"] or SERVER.default)
    stays = before["token"] and after["token"]

    def change(**again):
        secrets_stay((NOTE, SERVER, TOKEN), before, after, again)

    if moved and stays:
        with pytest.raises(Invalid, match="Give “Token” again: “Server” changes") as refused:
            change()
        assert refused.value.field == "token"
        change(token="again")
    else:
        change()


@pytest.mark.parametrize("value", [None, 7, ["a"], "x" * (LONGEST + 1)])
def test_what_is_no_text_or_too_long_is_refused_at_its_field(value):
    with pytest.raises(Invalid, match="Note is a text of at most 20,000 characters") as refused:
        checked(NOTE, value)
    assert refused.value.field == "note"


def test_a_value_is_kept_as_its_check_gives_it_and_only_if_it_is_a_choice():
    turn = Field("turn", "Turn it", choices=(("on", "on"), ("off", "off")), check=str.upper)
    assert checked(turn, " on ") == "ON"
    assert checked(turn, "  ") == ""
    with pytest.raises(Invalid, match="Turn it is one of: on, off"):
        checked(turn, "of")
