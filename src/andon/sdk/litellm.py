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

_FACTS = ("metadata", "litellm_metadata")
"""Where the proxy writes what it has chosen, by the kind of call."""


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
        """Give the hooks to the class itself: LiteLLM calls none that a class has from its bases."""
        super().__init_subclass__(**given)
        for name in ("async_pre_call_hook", "async_pre_call_deployment_hook"):
            if name not in vars(cls):
                # What it would find by itself, put where it is looked for.
                type.__setattr__(cls, name, getattr(cls, name))

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: Any
    ) -> dict[str, Any]:
        """Let the call through, send it to the other model, or raise `ModelContained`."""
        _ = user_api_key_dict, cache, call_type
        model = data.get("model")
        if isinstance(model, str):  # or several, which the proxy asks at once: "explainer,small-explainer"
            data["model"] = ",".join(self._allowed(one.strip(), data.get("user")) for one in model.split(","))
        elif isinstance(model, list):
            data["model"] = [self._allowed(one, data.get("user")) if isinstance(one, str) else one for one in model]
        return data

    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], call_type: Any) -> dict[str, Any] | None:
        """Stop what comes to a guarded model by another way than its name: its id, an alias, a fallback of another one.

        Here it is too late to send it elsewhere. A limited model is let through: its part was taken by name, if at all.
        """
        _ = call_type
        facts = [found for name in _FACTS if isinstance(found := kwargs.get(name), dict)]
        names = [name for found in facts for name in (found.get("deployment_model_name"), found.get("model_group"))]
        for name in names:
            if isinstance(name, str) and (one := self._models.get(name)) is not None:
                mode = self._guards[one.system].reading().mode
                if mode.contains and mode is not Mode.LIMIT:
                    raise ModelContained(name, one.system, mode)
        return None

    def _allowed(self, first: str, user: Any) -> str:
        """The model that answers a call of this one. Raises `ModelContained`."""
        seen: set[str] = set()
        model = first
        while (one := self._models.get(model)) is not None:
            reading = self._guards[one.system].reading()
            if self._guards[one.system].admits(user if isinstance(user, str) else None, reading):
                return model
            seen.add(model)
            if reading.mode not in {Mode.SAFE, Mode.LIMIT} or not one.safe or one.safe in seen:
                raise ModelContained(first, one.system, reading.mode)
            model = one.safe  # which may be guarded as well
        return model
