"""The clouds' sides: what answers in place of SageMaker, Azure ML and Vertex AI, as their documentation says it.

See `sides` for what they share.
"""

import json
from functools import cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.containment.adapters.sides import Side


class SageMaker(Side):
    kind = "sagemaker"

    def start(self):
        return {"v6": 0.0, "v7": 1.0}

    def given(self):
        return {
            "region": "eu-central-1", "access_key": "AKIATEST", "secret_key": "a secret", "endpoint": "credit",
            "weights": '{"v6": 1, "v7": 0}', "server": self.url, "runtime": self.url,
        }  # fmt: skip

    def changes(self, heard):
        return "Update" in heard.headers.get("x-amz-target", "")

    def reply(self, heard):
        assert heard.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIATEST/")
        if heard.path == "/endpoints/credit/invocations":
            (one,) = (name for name, weight in self.served.items() if weight)
            return 200, {"score": 0.1}, {"x_Amzn_Invoked_Production_Variant": one}
        if self.changes(heard):
            for one in json.loads(heard.body)["DesiredWeightsAndCapacities"]:
                self.held[one["VariantName"]] = one["DesiredWeight"]
            return 200, {"EndpointArn": "arn:aws:sagemaker:eu-central-1:111122223333:endpoint/credit"}
        return 200, {
            "EndpointName": "credit", "EndpointStatus": "InService" if self.held == self.served else "Updating",
            "ProductionVariants": [
                {"VariantName": name, "DesiredWeight": weight, "CurrentWeight": self.served[name]}
                for name, weight in self.held.items()
            ],
        }  # fmt: skip


class AzureML(Side):
    kind = "azureml"

    def start(self):
        return {"v7": 100}

    def given(self):
        return {
            "tenant": "t-1", "client": "c-1", "secret": "a secret", "subscription": "s-1", "group": "bank",
            "workspace": "models", "endpoint": "credit", "traffic": '{"v6": 100, "v7": 0}', "server": self.url,
            "login": self.url, "serving": f"{self.url}/serve/score", "serving_token": "a secret of the endpoint",
        }  # fmt: skip

    def changes(self, heard):
        return heard.command == "PUT"

    def reply(self, heard):
        if heard.path == "/t-1/oauth2/v2.0/token":
            assert b"grant_type=client_credentials" in heard.body
            return 200, {"access_token": "token-1", "expires_in": 3599}
        if heard.path == "/serve/score":
            assert heard.headers["authorization"] == "Bearer a secret of the endpoint"
            (one,) = (name for name, share in self.served.items() if share)
            return 200, {"score": 0.1}, {"azureml_model_deployment": one}
        assert heard.headers["authorization"] == "Bearer token-1"
        assert heard.path == (
            "/subscriptions/s-1/resourceGroups/bank/providers/Microsoft.MachineLearningServices/workspaces/models"
            "/onlineEndpoints/credit?api-version=2024-10-01"
        )
        if heard.command == "PUT":
            asked = json.loads(heard.body)
            assert (asked["location"], asked["properties"]["authMode"]) == ("westeurope", "Key")
            self.held = asked["properties"]["traffic"]
            return 201, None
        state = "Succeeded" if self.held == self.served else "Updating"
        return 200, {
            "id": "e-1", "location": "westeurope", "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "Key", "traffic": self.held, "provisioningState": state},
        }  # fmt: skip


class Vertex(Side):
    kind = "vertex"

    def start(self):
        return {"5123": 100}

    def given(self):
        account = {"type": "service_account", "client_email": "andon@example.org", "private_key": private_key()}
        return {
            "account": json.dumps(account), "project": "bank", "region": "europe-west4", "endpoint": "77",
            "traffic": '{"5100": 100}', "server": self.url, "login": self.url,
        }  # fmt: skip

    def changes(self, heard):
        return heard.command == "PATCH"

    def reply(self, heard):
        if heard.path == "/token":
            assert b"assertion=ey" in heard.body
            return 200, {"access_token": "token-1"}
        assert heard.headers["authorization"] == "Bearer token-1"
        where = "/v1/projects/bank/locations/europe-west4/endpoints/77"
        if heard.path == f"{where}:predict":
            (one,) = self.served
            return 200, {"predictions": [0.1], "deployedModelId": one}
        if heard.command == "PATCH":
            assert heard.path == f"{where}?updateMask=trafficSplit"
            self.held = json.loads(heard.body)["trafficSplit"]
            return 200, {"name": "77"}
        assert heard.path == where
        return 200, {"name": "77", "trafficSplit": self.held, "deployedModels": [{"id": "5100"}, {"id": "5123"}]}


@cache
def private_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


ALL: list[type[Side]] = [SageMaker, AzureML, Vertex]
