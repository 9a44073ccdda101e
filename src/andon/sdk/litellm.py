"""LiteLLM's proxy: Andon's kill switch in front of the models that it gives to applications.

    # guarded.py, beside the proxy's config.yaml, which says: litellm_settings: {callbacks: guarded.hook}
    from litellm.integrations.custom_logger import CustomLogger
    from andon.sdk.litellm import Guarded, ModelGuard

    class Guard(ModelGuard, CustomLogger):
        pass

    hook = Guard({"explainer": Guarded("credit-explainer", safe="small-explainer")})

Before each call of a model that is named, the switch of its system decides: `on` lets it through; `safe` sends it to
another model, if one is given; `limit` lets a part of it through and treats the rest as `safe`. Everything else, and
what has no other model, is refused with 503. LiteLLM is not imported: its hook is recognised by name ("Call Hooks" in
its documentation). Reading the switch waits for nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from andon.sdk.guard import Guard, Mode, guard


@dataclass(frozen=True)
class Guarded:
    """Which system a model of the proxy serves, and the model that answers in its place while the mode is `safe`."""

    system: str
    safe: str = ""


class ModelContained(Exception):  # noqa: N818  reads as what it is
    """The proxy refuses a call. LiteLLM answers with `status_code` and the words."""

    status_code = 503

    def __init__(self, model: str, system: str, mode: Mode) -> None:
        super().__init__(f"{model} is not available: {system} is contained (mode {mode}). Try again later.")
        self.message = str(self)


class ModelGuard:
    """The hook, to be combined with LiteLLM's `CustomLogger`.

    `models` are names in the proxy's `model_list`. `make` makes the guard of a system; by default from the environment
    (`ANDON_BASE_URL`, `ANDON_GUARD_TOKEN`).
    """

    def __init__(self, models: Mapping[str, Guarded], make: Callable[[str], Guard] = guard) -> None:
        super().__init__()
        self._models = dict(models)
        self._guards = {one.system: make(one.system) for one in self._models.values()}

    def __init_subclass__(cls, **given: Any) -> None:
        """Give the hook to the class itself: LiteLLM calls none that a class has from its bases."""
        super().__init_subclass__(**given)
        if "async_pre_call_hook" not in vars(cls):
            # What it would find by itself, put where it is looked for.
            type.__setattr__(cls, "async_pre_call_hook", cls.async_pre_call_hook)

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: Any
    ) -> dict[str, Any]:
        """Let the call through, send it to the other model, or raise `ModelContained`."""
        _ = user_api_key_dict, cache, call_type
        first = data.get("model")
        seen: set[str] = set()
        while isinstance(model := data.get("model"), str) and (one := self._models.get(model)) is not None:
            reading = self._guards[one.system].reading()
            if self._guards[one.system].admits(data.get("user"), reading):
                return data
            seen.add(model)
            if reading.mode not in {Mode.SAFE, Mode.LIMIT} or not one.safe or one.safe in seen:
                raise ModelContained(str(first), one.system, reading.mode)
            data["model"] = one.safe  # which may be guarded as well
        return data
