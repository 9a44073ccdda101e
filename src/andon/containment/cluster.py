"""The API of a Kubernetes cluster, as levers need it: one object, read and patched with a service account's token."""

from andon.containment.lever import web_address
from andon.containment.rest import Rest, bearer, segment
from andon.kit import outbound
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings


def _certificate(value: str) -> str:
    try:
        outbound.trusting(value)
    except outbound.TargetRefused as refused:
        raise Invalid(refused.what) from refused
    return value.strip()


FIELDS = (
    Field("server", "API server’s address", "As https://kubernetes.example.org:6443.", check=web_address, target=True),
    Field("token", "Token of a service account", "See below for the least that it must be allowed.", secret=True),
    Field("authority", "The cluster’s certificate authority", "The certificate in PEM, where the cluster signs "
          "its API server’s itself.", required=False, long=True, check=_certificate),
    Field("namespace", "Namespace", required=False, default="default"),
)  # fmt: skip


def api(settings: Settings) -> Rest:
    """The API server."""
    return Rest(
        "The cluster", settings["server"], bearer(settings) | {"Accept": "application/json"},
        authority=settings.get("authority", ""),
    )  # fmt: skip


def path(group: str, settings: Settings, kind: str, name: str = "") -> str:
    """The path of a namespaced object, or of all of a kind: "apps/v1", "deployments"."""
    whole = f"/apis/{group}/namespaces/{segment(settings['namespace'])}/{kind}"
    return f"{whole}/{segment(name)}" if name else whole
