"""MLflow's webhooks: what happens in its model and prompt registry becomes changes of a system.

Who made which version, and when an alias moved, is where most diagnoses begin; it alarms nobody. One event alone is a
signal: `budget_policy.exceeded`, a gateway's budget that is used up.

MLflow signs `delivery id.time.body` (header `X-MLflow-Signature`: `v1,<HMAC-SHA256 in base64>`; see mlflow.org,
webhooks); the delivery id stays the same when it tries again, which it does after 5xx and 429.

A system is named by the tag `andon_system` of the model, version or prompt, or by the setting `systems`:
`name of the model = short name of the system`, several by commas. Aliases come without tags, so the setting is the
sure way.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from andon.intake import signing
from andon.intake.decoding import Key
from andon.intake.events import Change, Event, Field, Malformed, Request, Said, Sender, change, event
from andon.intake.forgiving import fit, read
from andon.intake.naming import from_epoch, labels_of, plain, severity_in, system_in
from andon.practice.grouping import SignalStatus
from andon.practice.words import ChangeKind


class Body(msgspec.Struct):
    """What every webhook sends; `data` differs by entity and action."""

    entity: str
    action: str
    data: dict[str, Any]
    timestamp: datetime | None = None


class Entry(msgspec.Struct):
    """What the events of both registries have, as far as each has it."""

    name: Key
    version: str | int | None = None
    alias: str | None = None
    key: str | None = None
    value: str | None = None
    run_id: str | None = None
    source: str | None = None
    description: str | None = None
    tags: dict[str, Any] | None = None


class Budget(msgspec.Struct):
    """A budget that is used up."""

    budget_policy_id: Key
    budget_amount: float | None = None
    current_spend: float | None = None
    budget_unit: str = "USD"
    duration_unit: str = ""
    duration_value: int | None = None
    target_scope: Literal["GLOBAL", "WORKSPACE", "ENDPOINT", "USER"] | None = None
    target_value: str | None = None
    workspace: str | None = None
    window_start: int | None = None


_KINDS = {
    ("model_version", "created"): ChangeKind.VERSION_CREATED,
    ("prompt_version", "created"): ChangeKind.VERSION_CREATED,
    ("model_version_alias", "created"): ChangeKind.ALIAS_MOVED,
    ("model_version_alias", "deleted"): ChangeKind.ALIAS_MOVED,
    ("prompt_alias", "created"): ChangeKind.ALIAS_MOVED,
    ("prompt_alias", "deleted"): ChangeKind.ALIAS_MOVED,
    ("model_version_tag", "set"): ChangeKind.CONFIG,
    ("model_version_tag", "deleted"): ChangeKind.CONFIG,
    ("prompt_tag", "set"): ChangeKind.CONFIG,
    ("prompt_tag", "deleted"): ChangeKind.CONFIG,
    ("prompt_version_tag", "set"): ChangeKind.CONFIG,
    ("prompt_version_tag", "deleted"): ChangeKind.CONFIG,
}
_decoder = msgspec.json.Decoder(Body)


class Adapter(Sender):
    """MLflow's webhooks."""

    kind = "mlflow"
    title = "MLflow"
    line = "New versions and moved aliases of models and prompts, as changes of a system."
    group = "AI platforms"
    signed_by = "Secret of the webhook"
    auto_close = timedelta(days=1)  # a budget's window is said to be over by nobody
    fields = (
        Field(
            "systems",
            "Systems",
            "Which system a registered model belongs to: credit-model = credit-scorer, other-model = other-system",
        ),
        Field("pages", "Address of MLflow", "Such as https://mlflow.example.org, for links back to a model."),
    )

    def check(self, options: Mapping[str, str]) -> None:
        """Systems must be pairs, and the address one of the web."""
        for part in _parts(options.get("systems", "")):
            if not all(side.strip() for side in part.partition("=")):
                raise Malformed(f"Write {part!r} as: name of the model = short name of the system", field="systems")
        pages = options.get("pages", "")
        if pages and not pages.startswith(("https://", "http://")):
            raise Malformed("The address of MLflow begins with https://", field="pages")

    def verify(self, request: Request, secret: str) -> None:
        """The signature over delivery, time and body, and the time itself."""
        headers = request.headers
        stamp = headers.get("x-mlflow-timestamp", "")
        mac = signing.hmac_sha256(secret, headers.get("x-mlflow-delivery-id", ""), ".", stamp, ".", request.body)
        signing.must_be(f"v1,{b64encode(mac).decode()}", headers.get("x-mlflow-signature", ""))
        signing.must_be_recent(stamp)

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:
        """One change, or a budget that is used up."""
        body = read(_decoder, request.body)
        if body.entity == "budget_policy":
            return Said([_event(fit(body.data, Budget, at="data"))])
        key = request.headers.get("x-mlflow-delivery-id") or sha256(request.body).hexdigest()
        return Said(changes=[_change(body, fit(body.data, Entry, at="data"), key, settings)])


def _change(body: Body, said: Entry, key: str, settings: Mapping[str, Any]) -> Change:
    tags = {name: plain(value) for name, value in (said.tags or {}).items()}
    return change(
        title=_title(body, said),
        kind=_KINDS.get((body.entity, body.action), ChangeKind.OTHER),
        key=key,
        at=body.timestamp,
        url=_page(body.entity, said, settings.get("pages", "")),
        labels={
            **tags,
            **labels_of(event=f"{body.entity}.{body.action}", name=said.name, version=said.version, alias=said.alias,
                        run=said.run_id, source=said.source, description=said.description),
        },
        system_hint=_systems(settings.get("systems", "")).get(said.name, "") or system_in(tags),
    )  # fmt: skip


def _title(body: Body, said: Entry) -> str:
    what = "Prompt" if body.entity.startswith("prompt") else "Model"
    version = f", version {said.version}," if said.version else ""
    match (
        body.entity.removeprefix("prompt").removeprefix("model_version").removeprefix("registered_model"),
        body.action,
    ):
        case ("_alias", "created"):
            return f"{what} {said.name}: alias {said.alias} now points to version {said.version}"
        case ("_alias", "deleted"):
            return f"{what} {said.name}: alias {said.alias} was removed"
        case ("_tag" | "_version_tag", "set"):
            return f"{what} {said.name}{version} tag {said.key} was set to {said.value}"
        case ("_tag" | "_version_tag", _):
            return f"{what} {said.name}{version} tag {said.key} was {body.action}"
        case _:
            return f"{what} {said.name}{version} was {body.action}"


def _page(entity: str, said: Entry, pages: str) -> str:
    """The entry's page in MLflow, if its address is known."""
    if not pages:
        return ""
    folder = "prompts" if entity.startswith("prompt") else "models"
    below = f"/versions/{said.version}" if said.version and folder == "models" else ""
    return f"{pages.rstrip('/')}/#/{folder}/{quote(said.name, safe='')}{below}"


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


def _systems(text: str) -> dict[str, str]:
    """The setting `systems`, read."""
    pairs = (part.partition("=") for part in _parts(text))
    return {name.strip(): system.strip() for name, equals, system in pairs if equals}


def _event(said: Budget) -> Event:
    scope = (said.target_scope or "").lower()
    for_whom = f" for {scope} {said.target_value or ''}".rstrip() if scope else ""
    amount, spent = said.budget_amount, said.current_spend
    budget = "A budget" if amount is None else f"Budget of {amount:g} {said.budget_unit}"
    began = from_epoch(said.window_start, per_second=1_000) if said.window_start else None
    return event(
        fingerprint=f"budget:{said.budget_policy_id}",
        status=SignalStatus.FIRING,
        title=f"{budget} is used up{for_whom}",
        description="" if spent is None else f"Spent so far: {spent:g} {said.budget_unit}.",
        labels=labels_of(policy=said.budget_policy_id, scope=scope, target=said.target_value, workspace=said.workspace),
        severity_hint=severity_in({}, 4),
        starts_at=began,
    )
