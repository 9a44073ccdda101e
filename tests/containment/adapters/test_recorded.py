"""What the other side is documented to answer, whole: names, types and statuses, where nothing real can run here.

The stand-ins in `sides.py` answer with as much as an adapter looks at. These answers have every member that the vendor's
own examples have, with values of ours, so that nothing in them is in the way:

- Azure: examples of the specification of `Microsoft.MachineLearningServices` 2024-10-01, OnlineEndpoint.
- Vertex AI: `Endpoint` and `PredictResponse` of `aiplatform` v1.
- LaunchDarkly: `FeatureFlag` and `FeatureFlagConfig` of its REST API, v2.
- Kubernetes: `Deployment` and `ReplicaSet`, `apps/v1`; KServe: `InferenceService`, `serving.kserve.io/v1beta1`.
- GitHub: "Create a workflow dispatch event", 2022-11-28, and what an Enterprise Server answers that is older than that.
"""

import json

import pytest

from andon.containment.lever import LeverFault, Plan
from tests.containment.adapters import clouds, sides

WHEN = "2026-02-01T03:14:15.926Z"
SYSTEM_DATA = {
    "createdAt": WHEN, "createdBy": "omar@example.org", "createdByType": "User", "lastModifiedAt": WHEN,
    "lastModifiedBy": "omar@example.org", "lastModifiedByType": "User",
}  # fmt: skip


@pytest.fixture
def side(request):
    with sides.running(request.param) as one:
        yield one


def of(kind):
    return pytest.mark.parametrize("side", [kind], indirect=True)


def asked(side, method):
    """The bodies that were sent by a method."""
    return [json.loads(heard.body) for heard in side.listener.heard if heard.command == method]


def pulled(side):
    prior = side.adapter.state(side.settings)
    plan = side.adapter.plan(side.settings, prior)
    side.adapter.act(side.settings, plan, "PULL-1")
    return prior, plan


@of(clouds.AzureML)
def test_an_endpoint_of_azure_is_put_with_what_a_request_has_and_nothing_that_it_was_read_with(side):
    user = "/subscriptions/s-1/resourceGroups/bank/providers/Microsoft.ManagedIdentity/userAssignedIdentities/scorer"
    plain = side.reply

    def reply(heard):
        found = plain(heard)
        if heard.command != "GET":
            return found
        body = found[1]
        given = {
            "description": "Credit", "properties": {"azureml.mlflow_client_endpoint": "False"}, "compute": None,
            "scoringUri": "https://credit.example.org/score", "swaggerUri": "https://credit.example.org/swagger.json",
            "mirrorTraffic": {"v7": 10}, "publicNetworkAccess": "Enabled", "keys": None,
        }  # fmt: skip
        ids = {"principalId": "p-1", "clientId": "c-1"}
        return 200, body | {
            "name": "credit", "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints", "kind": "Managed",
            "tags": {"team": "credit"}, "systemData": SYSTEM_DATA,
            "sku": {"name": "Default", "tier": "Standard", "size": "s", "family": "f", "capacity": 1},
            "identity": {"type": "SystemAssigned,UserAssigned", "principalId": "p-0", "tenantId": "t-1",
                         "userAssignedIdentities": {user: ids}},
            "properties": given | body["properties"],
        }  # fmt: skip

    side.reply = reply
    prior, plan = pulled(side)
    (put,) = asked(side, "PUT")
    assert set(put) == {"location", "kind", "identity", "sku", "tags", "properties"}
    assert put["identity"] == {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {user: {}}}
    assert set(put["properties"]) == {
        "description", "properties", "compute", "authMode", "traffic", "mirrorTraffic", "publicNetworkAccess", "keys",
    }  # fmt: skip
    assert put["properties"]["traffic"] == {"v6": 100}
    assert side.adapter.probe(side.settings, plan).holds is True
    side.adapter.undo(side.settings, prior, "PULL-2")
    assert asked(side, "PUT")[-1]["properties"]["traffic"] == {"v7": 100}


@of(clouds.Vertex)
def test_an_endpoint_of_vertex_and_its_prediction(side):
    plain = side.reply
    resources = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1, "maxReplicaCount": 1}

    def reply(heard):
        status, body = plain(heard)
        if heard.path.endswith(":predict"):
            model = {"model": "projects/1/locations/europe-west4/models/9", "modelDisplayName": "scorer"}
            return status, body | model | {"modelVersionId": "2", "metadata": None}
        if "/endpoints/77" in heard.path:
            name = "projects/1/locations/europe-west4/endpoints/77"
            models = [
                {"id": one, "model": "projects/1/locations/europe-west4/models/9", "modelVersionId": "2",
                 "displayName": f"scorer {one}", "createTime": WHEN, "dedicatedResources": resources}
                for one in ("5100", "5123")
            ]  # fmt: skip
            whole = {"name": name, "displayName": "credit", "description": "", "etag": "AMEw9", "labels": {"team": "credit"},
                     "createTime": WHEN, "updateTime": WHEN, "network": "", "encryptionSpec": {"kmsKeyName": "k"}}  # fmt: skip
            return status, body | whole | {"deployedModels": models}
        return status, body

    side.reply = reply
    prior, plan = pulled(side)
    assert prior == {"traffic": {"5123": 100}}
    assert asked(side, "PATCH") == [{"trafficSplit": {"5100": 100}}], "the mask names nothing else"
    assert side.adapter.probe(side.settings, plan).holds is True


@of(sides.LaunchDarkly)
def test_a_flag_of_launchdarkly(side):
    plain = side.reply

    def reply(heard):
        status, body = plain(heard)
        if heard.path == "/serve":
            return status, body
        links = {"self": {"href": "/api/v2/flags/bank/credit-scorer", "type": "application/json"}}
        config = {
            "on": side.held["on"], "archived": False, "salt": "61eddeadbeef", "sel": "45501b9314dc4641841af774cb038b96",
            "lastModified": 1_769_915_655_926, "version": 7, "targets": [{"values": ["customer-7"], "variation": 0}],
            "contextTargets": [], "rules": [{"_id": "r-1", "variation": 0, "clauses": [], "trackEvents": False}],
            "fallthrough": {"variation": 0}, "offVariation": 1, "prerequisites": [], "_site": links["self"],
            "_access": None, "_environmentName": "Production", "trackEvents": False, "trackEventsFallthrough": False,
            "_summary": {"variations": {"0": {"rules": 1, "nullRules": 0, "targets": 1, "contextTargets": 0}},
                         "prerequisites": 0},
        }  # fmt: skip
        return status, {
            "name": "Credit scorer", "kind": "boolean", "description": "", "key": "credit-scorer", "_version": 3,
            "creationDate": 1_769_915_655_926, "includeInSnippet": True, "temporary": False, "tags": ["credit"],
            "clientSideAvailability": {"usingMobileKey": False, "usingEnvironmentId": False}, "_links": links,
            "variations": [{"_id": "a", "value": True}, {"_id": "b", "value": False}], "goalIds": [], "_maintainer": {},
            "customProperties": {}, "archived": False, "defaults": {"onVariation": 0, "offVariation": 1},
            "environments": {"production": config, "test": config | {"on": True}},
        }  # fmt: skip

    side.reply = reply
    _, plan = pulled(side)
    (patch,) = asked(side, "PATCH")
    assert set(patch) == {"environmentKey", "comment", "instructions"}
    assert patch["instructions"] == [{"kind": "turnFlagOff"}]
    assert side.adapter.probe(side.settings, plan).holds is True


def kept(kind, name, uid, **more):
    """The metadata of an object as a cluster keeps it."""
    return {
        "name": name, "namespace": "bank", "uid": uid, "resourceVersion": "41", "creationTimestamp": "2026-02-01T03:14:15Z",
        "labels": {"app": "scorer"}, "managedFields": [{"manager": "kubectl", "operation": "Update", "apiVersion": kind,
                                                        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}],
    } | more  # fmt: skip


@of(sides.Kubernetes)
def test_a_deployment_and_its_replica_sets(side):
    """With what a cluster adds: defaults in the template, owners of many kinds, the hash in three places."""
    plain = side.reply

    def reply(heard):
        status, body = plain(heard)
        if "items" in body:
            for one in body["items"]:
                meta = one["metadata"]
                owner = meta["ownerReferences"][0] | {
                    "apiVersion": "apps/v1", "kind": "Deployment", "name": "scorer", "blockOwnerDeletion": True,
                }  # fmt: skip
                revision = meta["annotations"]["deployment.kubernetes.io/revision"]
                notes = {
                    "deployment.kubernetes.io/desired-replicas": "3", "deployment.kubernetes.io/max-replicas": "4",
                    "deployment.kubernetes.io/revision": str(revision), "deployment.kubernetes.io/revision-history": "1,4",
                }  # fmt: skip
                one["metadata"] = kept("apps/v1", meta["name"], f"rs-{meta['name']}", ownerReferences=[owner],
                                       annotations=notes, generation=2)  # fmt: skip
                one["spec"] |= {"replicas": 0, "selector": {"matchLabels": {"app": "scorer", "pod-template-hash": "h"}}}
                one["status"] = {"replicas": 0, "observedGeneration": 2}
            return status, {"kind": "ReplicaSetList", "apiVersion": "apps/v1",
                            "metadata": {"resourceVersion": "52"}, **body}  # fmt: skip
        if "spec" in body:
            meta = kept(
                "apps/v1", "scorer", "u-1", annotations={"deployment.kubernetes.io/revision": "3"}, generation=8
            )
            body["spec"] |= {
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
                "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            }  # fmt: skip
            body["status"]["conditions"] = [
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "",
                 "lastUpdateTime": "2026-02-01T03:14:15Z", "lastTransitionTime": "2026-02-01T03:14:15Z"},
            ]  # fmt: skip
            return status, {"kind": "Deployment", "apiVersion": "apps/v1", **body, "metadata": meta}
        return status, body

    side.reply = reply
    before = side.snapshot()
    prior, plan = pulled(side)
    (patch,) = asked(side, "PATCH")
    assert "pod-template-hash" not in json.dumps(patch)
    assert side.adapter.probe(side.settings, plan).holds is True
    side.adapter.undo(side.settings, prior, "PULL-2")
    assert side.snapshot() == before


@of(sides.KServe)
def test_an_inference_service_and_where_its_traffic_goes(side):
    """A revision without traffic is listed with 0 % or not at all; the tag belongs to the previous one."""
    plain = side.reply

    def reply(heard):
        status, body = plain(heard)
        if not body:
            return status, body
        predictor = body["status"]["components"]["predictor"]
        percent = side.served["percent"]
        address = "http://scorer-predictor.bank.example.org"
        predictor |= {
            "url": address, "address": {"url": address}, "latestCreatedRevision": "scorer-predictor-00007",
            "latestReadyRevision": "scorer-predictor-00007", "latestRolledoutRevision": "scorer-predictor-00006",
            "previousRolledoutRevision": "scorer-predictor-00005",
            "traffic": [
                {"latestRevision": True, "percent": percent, "revisionName": "scorer-predictor-00007"},
                {"latestRevision": False, "percent": 100 - percent, "revisionName": "scorer-predictor-00006",
                 "tag": "prev", "url": "http://prev-scorer-predictor.bank.example.org"},
            ],
        }  # fmt: skip
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": "2026-02-01T03:14:15Z", "severity": "Info"}
            for kind in ("IngressReady", "LatestDeploymentReady", "PredictorReady", "Ready", "RoutesReady")
        ]
        body["status"] |= {"conditions": conditions, "modelStatus": {"transitionStatus": "UpToDate"}, "url": address}
        body["metadata"] = kept("serving.kserve.io/v1beta1", "scorer", "i-1", generation=4)
        return status, {"kind": "InferenceService", "apiVersion": "serving.kserve.io/v1beta1", **body}

    side.reply = reply
    prior, plan = pulled(side)
    assert prior == {"percent": 30}
    assert asked(side, "PATCH") == [{"spec": {"predictor": {"canaryTrafficPercent": 0}}}]
    assert side.adapter.probe(side.settings, plan).holds is True
    assert side.adapter.probe(side.settings, Plan({"percent": 30}, "")).holds is False


REFUSED = b'{"message": "Invalid request.\\n\\n\\"return_run_details\\" is not a permitted key.", "status": "422"}'


@of(sides.GitHub)
def test_a_server_that_cannot_say_which_run_it_starts_is_asked_without(side):
    """An Enterprise Server from before February 2026: 422 for the word that it does not know, then 204."""
    plain, statuses = side.reply, []

    def reply(heard):
        if heard.command != "POST":
            return plain(heard)
        found = json.loads(heard.body)
        statuses.append(422 if "return_run_details" in found else 204)
        if statuses[-1] == 422:
            return 422, REFUSED
        assert set(found) == {"ref", "inputs"}
        side.held["served"] = found["inputs"]["version"]
        return 204, None

    side.reply = reply
    prior = side.adapter.state(side.settings)
    plan = side.adapter.plan(side.settings, prior)
    done = side.adapter.act(side.settings, plan, "PULL-1")
    assert (statuses, done.facts) == ([422, 204], {"run": None})
    assert side.adapter.probe(side.settings, plan).holds is True


@of(sides.GitHub)
def test_a_workflow_that_takes_no_such_input_is_refused_once(side):
    plain, asked_ = side.reply, []

    def reply(heard):
        if heard.command != "POST":
            return plain(heard)
        asked_.append(heard)
        return 422, b'{"message": "Unexpected inputs provided: [\\"version\\"]", "status": "422"}'

    side.reply = reply
    plan = side.adapter.plan(side.settings, side.adapter.state(side.settings))
    with pytest.raises(LeverFault, match="Unexpected inputs") as caught:
        side.adapter.act(side.settings, plan, "PULL-1")
    assert (caught.value.sure, len(asked_)) == (True, 1)
