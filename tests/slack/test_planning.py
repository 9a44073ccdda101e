"""The plan of a channel, against a model of Slack in which any call may be cut off before or after it took effect."""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from andon.paging.adapters.slack.blocks import Drawn
from andon.paging.adapters.slack.web import Fault, Said
from andon.practice.severity import Severity
from andon.slack import planning
from andon.slack.planning import Call, Room, Verdict

KEY = "0123456789abcdef"


def drawn(text: str) -> Drawn:
    return Drawn(text, ({"type": "section", "text": {"type": "mrkdwn", "text": text}},))


def room(**changed: Any) -> Room:
    base = Room("inc-1-credit-scorer", private=False, members=("U1", "U2"), topic="S2 open", summary=drawn("one"))
    return replace(base, **changed)


@dataclass
class Model:
    """What Slack would have, after the calls that reached it."""

    taken: frozenset[str] = frozenset()
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)

    def call(self, call: Call) -> Said:
        return getattr(self, call.method.replace(".", "_"))(call.arguments)

    def conversations_create(self, given: Any) -> Said:
        names = {one["name"] for one in self.channels.values()} | self.taken
        if given["name"] in names:
            return Said(Fault.THIS, "name_taken")
        made = {"id": f"C{len(self.channels)}", "name": given["name"], "is_private": given["is_private"]}
        self.channels[made["id"]] = {**made, "members": [], "topic": "", "pins": set(), "archived": False}
        return Said(Fault.NONE, data={"channel": made})

    def users_conversations(self, given: Any) -> Said:
        own = [one for one in self.channels.values() if not one["archived"]]
        at = int(given["cursor"] or 0)
        following = {"next_cursor": str(at + 1) if at + 1 < len(own) else ""}
        return Said(Fault.NONE, data={"channels": own[at : at + 1], "response_metadata": following})

    def conversations_invite(self, given: Any) -> Said:
        members = self.channels[given["channel"]]["members"]
        if given["users"] in members:
            return Said(Fault.THIS, "already_in_channel")
        members.append(given["users"])
        return Said(Fault.NONE)

    def conversations_setTopic(self, given: Any) -> Said:  # noqa: N802  the method's name
        self.channels[given["channel"]]["topic"] = given["topic"]
        return Said(Fault.NONE)

    def conversations_archive(self, given: Any) -> Said:
        if self.channels[given["channel"]]["archived"]:
            return Said(Fault.THIS, "already_archived")
        self.channels[given["channel"]]["archived"] = True
        return Said(Fault.NONE)

    def conversations_history(self, given: Any) -> Said:
        return Said(Fault.NONE, data={"messages": [m for m in self.messages if m["channel"] == given["channel"]]})

    def chat_postMessage(self, given: Any) -> Said:  # noqa: N802  the method's name
        self.messages.append({**given, "ts": str(len(self.messages))})
        return Said(Fault.NONE, data={"ts": self.messages[-1]["ts"]})

    def chat_update(self, given: Any) -> Said:
        self.messages[int(given["ts"])].update(text=given["text"])
        return Said(Fault.NONE)

    def pins_add(self, given: Any) -> Said:
        pins = self.channels[given["channel"]]["pins"]
        if given["timestamp"] in pins:
            return Said(Fault.THIS, "already_pinned")
        pins.add(given["timestamp"])
        return Said(Fault.NONE)


# What may become of one call: it works; it never gets there; it works and its answer is lost; or the whole process
# dies before or after it, so that nothing is learned, not even that it failed.
FATES = ("works", "never", "lost", "dies before", "dies after")


def work(model: Model, wanted: Room, known: dict[str, Any], fates: list[str]) -> dict[str, Any]:
    """Call until nothing is left to do; once the fates are used up everything works."""
    for _ in range(200):
        call = planning.next_for_room(wanted, known, key=KEY)
        if call is None:
            return known
        known = planning.before(call, known)
        fate = fates.pop() if fates else "works"
        said = model.call(call) if fate in {"works", "lost", "dies after"} else Said(Fault.PASSING, "timeout")
        if fate == "lost":
            said = Said(Fault.PASSING, "timeout")
        if not fate.startswith("dies"):
            known = planning.after(call, said, known, name=planning.name_of(wanted, known), key=KEY).known
    raise AssertionError("it never comes to an end")


@settings(max_examples=300)
@given(
    fates=st.lists(st.sampled_from(FATES), max_size=25),
    more=st.lists(st.sampled_from(FATES), max_size=12),
    taken=st.sets(st.sampled_from(["inc-1-credit-scorer", "inc-1-credit-scorer-2"])),
)
def test_wherever_it_is_cut_off_there_is_one_channel_with_one_summary_as_wanted(fates, more, taken):
    model = Model(frozenset(taken))
    known = work(model, room(), {}, fates)
    later = room(topic="S2 acknowledged", summary=drawn("two"), members=("U1", "U2", "U3"))
    known = work(model, later, known, more)
    (channel,) = model.channels.values()
    (message,) = model.messages
    assert sorted(channel["members"]) == ["U1", "U2", "U3"]
    assert len(channel["members"]) == 3
    assert (channel["topic"], message["text"]) == ("S2 acknowledged", "two")
    assert channel["pins"] == {message["ts"]}
    assert planning.next_for_room(later, known, key=KEY) is None


@given(fates=st.lists(st.sampled_from(FATES), max_size=25))
def test_what_becomes_restricted_leaves_nothing_to_read_in_the_open(fates):
    model = Model()
    known = work(model, room(), {}, [])
    work(model, room(private=True, name="inc-1-restricted", topic="secret", summary=drawn("secret")), known, fates)
    public, private = sorted(model.channels.values(), key=lambda one: one["is_private"])
    assert public["archived"]
    assert public["topic"] == planning.RESTRICTED.text
    assert {m["text"] for m in model.messages if m["channel"] == public["id"]} == {planning.RESTRICTED.text}
    assert private["is_private"]
    assert [m["text"] for m in model.messages if m["channel"] == private["id"]] == ["secret"]


def test_what_is_over_gets_nothing_new_and_is_kept_right():
    assert planning.next_for_room(room(over=True), {}, key=KEY) is None
    model = Model()
    known = work(model, room(), {}, [])
    work(model, room(over=True, topic="S2 resolved"), known, [])
    (channel,) = model.channels.values()
    assert channel["topic"] == "S2 resolved"


def test_names_that_are_all_taken_are_a_trouble_and_no_endless_search():
    names = {"inc-1-credit-scorer", *(f"inc-1-credit-scorer-{n}" for n in range(2, 9))}
    model, known = Model(frozenset(names)), {}
    for _ in range(100):
        call = planning.next_for_room(room(), known, key=KEY)
        assert call is not None
        learned = planning.after(call, model.call(call), known, name=planning.name_of(room(), known), key=KEY)
        known = learned.known
        if learned.trouble:
            assert learned.trouble == "name_taken"
            return
    raise AssertionError("it never comes to an end")


@given(name=st.text("abc-", min_size=1, max_size=80), tried=st.integers(0, 5))
def test_names_fit(name: str, tried: int):
    made = planning.name_of(room(name=name), {"tried": tried})
    assert len(made) <= planning.NAME_LENGTH
    assert (made == name) == (tried == 0)


@given(
    severity=st.sampled_from(Severity),
    restricted=st.booleans(),
    channels_from=st.sampled_from(["", "S1", "S2", "S3", "S4", "S5", "nonsense"]),
)
def test_which_incidents_get_a_channel(severity: Severity, restricted: bool, channels_from: str):
    verdict = planning.room_for(severity, restricted=restricted, channels_from=channels_from)
    if channels_from not in Severity.__members__:
        assert verdict is Verdict.NOT_ASKED
    elif Severity[channels_from].worse_than(severity):
        assert verdict is Verdict.TOO_MILD
    else:
        assert verdict is (Verdict.PRIVATE if restricted else Verdict.PUBLIC)
