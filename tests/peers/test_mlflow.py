"""A real MLflow server tells Andon what happens in its registry, signed; Andon shows it on the system's page."""

import pytest

from tests.peers.conftest import until
from tests.support import peers

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("mlflow"),
    peers.needs("mlflow", "MLflow"),
]

SECRET = "a secret of the registry"
INTEGRATION = """
from andon.intake.actions import create_integration
from andon.people.policy import Actor
integration, token = create_integration(
    slug=slug, name="Registry", kind="mlflow", by=Actor.operator(), secret=secret,
    options={"systems": "credit-model = credit-scorer", "pages": "https://mlflow.example.org"},
)
result = token
"""

REGISTRY = """
from mlflow import MlflowClient
client = MlflowClient(server)
events = ["registered_model.created", "model_version.created", "model_version_alias.created", "model_version_alias.deleted"]
client.create_webhook(name=f"andon-{model}", url=url, events=events, secret=secret)
client.create_registered_model(model)
for _ in range(2):
    version = client.create_model_version(model, "s3://models.example.org/credit").version
    client.set_registered_model_alias(model, "champion", version)
result = version
"""

PAGE = """
from django.test import Client
from andon.people.models import Person
browser = Client(headers={"host": "127.0.0.1"})
browser.force_login(Person.objects.get(name="Omar"))
result = browser.get("/systems/credit-scorer").content.decode()
"""

CHANGES = (
    "SELECT c.title, c.kind, c.url, s.slug FROM registry_changeevent c LEFT JOIN registry_system s ON s.id = c.system_id "
    "ORDER BY c.at"
)


def test_a_new_version_and_a_moved_alias_stand_on_the_systems_page(andon, registry):
    andon.python(INTEGRATION, slug="registry", secret=SECRET)
    url = f"{andon.base_url}/intake/mlflow/registry"
    assert peers.run("mlflow", REGISTRY, server=registry, url=url, secret=SECRET, model="credit-model") == "2"

    until(lambda: len(andon.sql(CHANGES)) == 5, 60)
    changes = andon.sql(CHANGES)
    assert {row[3] for row in changes} == {"credit-scorer"}
    assert ("Model credit-model, version 2, was created", "version_created",
            "https://mlflow.example.org/#/models/credit-model/versions/2", "credit-scorer") in changes  # fmt: skip
    assert [row[0] for row in changes if row[1] == "alias_moved"] == [
        f"Model credit-model: alias champion now points to version {version}" for version in (1, 2)
    ]
    page = andon.python(PAGE)
    assert "Model credit-model: alias champion now points to version 2" in page
    assert andon.sql("SELECT count(*) FROM intake_signal") == [(0,)], "a change alarms nobody"


def test_without_the_secret_at_the_sender_nothing_is_taken(andon, registry):
    andon.python(INTEGRATION, slug="signed", secret=SECRET)
    url = f"{andon.base_url}/intake/mlflow/signed"
    peers.run("mlflow", REGISTRY, server=registry, url=url, secret="another secret", model="churn-model")
    kept = "SELECT count(*) FROM intake_delivery WHERE outcome = 'accepted' OR length(body) > 0"
    until(lambda: "intake.unsigned" in andon.log("server"), 60)
    assert (andon.sql(CHANGES), andon.sql(kept)) == ([], [(0,)])  # why it was refused is said, without the body
