"""An endpoint of two variants on moto's SageMaker: its weights are set, seen, and set back."""

import httpx
import pytest

from andon.containment import adapters
from andon.containment.lever import LeverFault, Plan, cleaned
from tests.support import peers

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240), peers.needs("moto", "moto's SageMaker")]

ENDPOINT = """
import boto3
client = boto3.client("sagemaker", endpoint_url=endpoint, region_name="eu-central-1")
role = "arn:aws:iam::123456789012:role/models"
for version in ("v6", "v7"):
    client.create_model(ModelName=version, ExecutionRoleArn=role, PrimaryContainer={"Image": "scorer:" + version})
variants = [
    {"VariantName": version, "ModelName": version, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large",
     "InitialVariantWeight": weight}
    for version, weight in (("v6", 0.0), ("v7", 1.0))
]
client.create_endpoint_config(EndpointConfigName="credit", ProductionVariants=variants)
client.create_endpoint(EndpointName="credit", EndpointConfigName="credit")
"""


def lever(amazon: str, **more: str) -> dict[str, str]:
    given = {
        "region": "eu-central-1", "access_key": "test", "secret_key": "test", "endpoint": "credit", "server": amazon,
        "runtime": amazon, "weights": '{"v6": 1, "v7": 0}', "times": "2",
    }  # fmt: skip
    return cleaned(adapters.find("sagemaker").fields, given | more)


def answered_by(amazon: str, *variants: str) -> None:
    """Which variants answer: moto takes them in turn, one for each body that it has not seen yet."""
    results = [{"Body": "{}", "ContentType": "application/json", "InvokedProductionVariant": one} for one in variants]
    asked = {"account_id": "123456789012", "region": "eu-central-1", "results": results}
    httpx.post(f"{amazon}/moto-api/static/sagemaker/endpoint-results", json=asked, timeout=30).raise_for_status()


def test_the_weights_of_an_endpoint_are_set_seen_and_set_back(amazon):
    peers.run("moto", ENDPOINT, endpoint=amazon)
    answered_by(amazon, "v7", "v6", "v7")
    adapter, given = adapters.find("sagemaker"), lever(amazon)
    prior = adapter.state(given)
    plan = adapter.plan(given, prior)
    assert prior == {"weights": {"v6": 0.0, "v7": 1.0}}
    assert plan.says == "In credit the weight goes: v6 from 0 to 1, v7 from 1 to 0."
    assert adapter.probe(given, plan).holds is False

    adapter.act(given, plan, "PULL-1")
    assert adapter.state(given) == {"weights": {"v6": 1.0, "v7": 0.0}}
    assert adapter.probe(lever(amazon, asks='{"look": 1}'), plan).text == "Variant v7 still answers."
    seen = adapter.probe(lever(amazon, asks='{"look": 2}'), plan)
    assert (seen.holds, seen.facts) == (True, {"answered": ["v6", "v6"]})

    adapter.undo(given, prior, "PULL-2")
    assert adapter.state(given) == prior
    assert adapter.probe(lever(amazon, asks='{"look": 3}'), Plan(prior, "")).holds is True


def test_an_endpoint_or_variant_that_is_not_there_is_said(amazon):
    adapter = adapters.find("sagemaker")
    with pytest.raises(LeverFault, match="Could not find endpoint") as caught:
        adapter.state(lever(amazon))
    assert caught.value.sure is True
    peers.run("moto", ENDPOINT, endpoint=amazon)
    with pytest.raises(LeverFault, match="no variant v5"):
        adapter.state(lever(amazon, weights='{"v5": 1}'))
