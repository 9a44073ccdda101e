"""The hook for LiteLLM's proxy: what each mode of the switch does with a call."""

import asyncio
from dataclasses import dataclass

import pytest

from andon.sdk.guard import Mode, Reading, State
from andon.sdk.litellm import Guarded, ModelContained, ModelGuard


@dataclass
class Switch:
    """A switch that says what the test says."""

    mode: Mode = Mode.ON
    part: bool = False

    def reading(self):
        return Reading(mode=self.mode, state=State.LIVE, revision=1)

    def admits(self, key, reading):
        return self.part if reading.mode is Mode.LIMIT else not reading.mode.contains


class Logger:
    """As LiteLLM's: without a hook of its own that does something."""

    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        raise AssertionError("the guard comes first")


class Guard(ModelGuard, Logger):
    pass


def test_the_class_has_the_hook_itself():
    """LiteLLM looks for it among the class's own names, and finds none that it has from its bases."""
    for name in ("async_pre_call_hook", "async_pre_call_deployment_hook"):
        assert vars(Guard)[name] is getattr(ModelGuard, name)


@pytest.fixture
def switches():
    return {"credit-explainer": Switch(), "small": Switch()}


@pytest.fixture
def hook(switches):
    models = {
        "explainer": Guarded("credit-explainer", safe="small-explainer"),
        "small-explainer": Guarded("small"),
        "alone": Guarded("credit-explainer"),
    }
    return Guard(models, make=switches.__getitem__)


def called(hook, model, **more):
    return asyncio.run(hook.async_pre_call_hook(None, None, {"model": model, **more}, "completion"))["model"]


def test_while_it_is_on_a_call_goes_through(hook):
    assert called(hook, "explainer") == "explainer"


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SAFE, Mode.REVIEW, Mode.LIMIT])
def test_a_model_that_nobody_guards_is_left_alone(hook, switches, mode):
    switches["credit-explainer"].mode = mode
    assert called(hook, "another") == "another"
    assert asyncio.run(hook.async_pre_call_hook(None, None, {}, "completion")) == {}


def test_safe_sends_it_to_the_other_model(hook, switches):
    switches["credit-explainer"].mode = Mode.SAFE
    assert called(hook, "explainer") == "small-explainer"


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.REVIEW])
def test_off_and_review_refuse_it(hook, switches, mode):
    switches["credit-explainer"].mode = mode
    with pytest.raises(ModelContained, match="explainer is not available: credit-explainer is contained") as caught:
        called(hook, "explainer")
    assert caught.value.status_code == 503


def test_safe_without_another_model_refuses_it(hook, switches):
    switches["credit-explainer"].mode = Mode.SAFE
    with pytest.raises(ModelContained):
        called(hook, "alone")


def test_the_other_model_may_be_contained_as_well(hook, switches):
    switches["credit-explainer"].mode = Mode.SAFE
    switches["small"].mode = Mode.OFF
    with pytest.raises(ModelContained, match="small is contained"):
        called(hook, "explainer")


@pytest.mark.parametrize(("part", "model"), [(True, "explainer"), (False, "small-explainer")])
def test_a_limited_model_answers_a_part(hook, switches, part, model):
    switches["credit-explainer"].mode = Mode.LIMIT
    switches["credit-explainer"].part = part
    assert called(hook, "explainer", user="17") == model


def test_two_models_that_stand_in_for_each_other_end_in_a_refusal():
    switch = Switch(Mode.SAFE)
    hook = Guard({"a": Guarded("s", safe="b"), "b": Guarded("s", safe="a")}, make=lambda _: switch)
    with pytest.raises(ModelContained):
        called(hook, "a")


def test_of_several_models_at_once_each_is_looked_at(hook, switches):
    assert called(hook, "explainer, another") == "explainer,another"
    assert called(hook, ["explainer", "another"]) == ["explainer", "another"]
    switches["credit-explainer"].mode = Mode.SAFE
    assert called(hook, "explainer,another") == "small-explainer,another"
    assert called(hook, ["another", "explainer"]) == ["another", "small-explainer"]
    switches["credit-explainer"].mode = Mode.OFF
    for several in ("another,explainer", ["another", "explainer"]):
        with pytest.raises(ModelContained):
            called(hook, several)


def chosen(hook, **kwargs):
    return asyncio.run(hook.async_pre_call_deployment_hook(kwargs, "acompletion"))


@pytest.mark.parametrize("where", ["metadata", "litellm_metadata"])
@pytest.mark.parametrize("fact", ["deployment_model_name", "model_group"])
def test_what_comes_by_another_way_than_its_name_is_stopped_as_well(hook, switches, where, fact):
    facts = {where: {fact: "explainer"}}
    assert chosen(hook, **facts) is None
    for mode in (Mode.OFF, Mode.REVIEW, Mode.SAFE):
        switches["credit-explainer"].mode = mode
        with pytest.raises(ModelContained, match="explainer is not available"):
            chosen(hook, **facts)
    switches["credit-explainer"].mode = Mode.LIMIT
    assert chosen(hook, **facts) is None


@pytest.mark.parametrize(
    "facts", [{}, {"metadata": None}, {"metadata": "x"}, {"metadata": {"model_group": ["explainer"]}}]
)
def test_what_the_proxy_does_not_say_stops_nothing(hook, switches, facts):
    switches["credit-explainer"].mode = Mode.OFF
    assert chosen(hook, **facts) is None
    assert chosen(hook, metadata={"model_group": "another"}) is None
