"""A little server of a scikit-learn model, for tests/peers: run by the Python of the peer `mlflow`, never imported.

It loads the model by its alias when it starts and when it is told to, and keeps it in between, as most servers do. With
a guard token it asks Andon's kill switch before each decision, and decides by a rule where it is not `on`.

    python tests/peers/model_server.py PORT models:/name@champion
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
from mlflow import MlflowClient

port, address = int(sys.argv[1]), sys.argv[2]
name, _, alias = address.removeprefix("models:/").partition("@")
loaded = {}


def load():
    version = MlflowClient().get_model_version_by_alias(name, alias).version
    loaded["model"] = mlflow.sklearn.load_model(f"models:/{name}/{version}")
    loaded["version"] = version


def decide(income):
    return {"approved": bool(loaded["model"].predict([[income]])[0]), "version": loaded["version"], "by": "model"}


def rule(income):
    return {"approved": income >= 100, "version": loaded["version"], "by": "rule"}


if os.environ.get("ANDON_GUARD_TOKEN"):
    import andon

    decide = andon.guard("credit-scorer").protect(safe=rule)(decide)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/reload":
            load()
            answer = {}
        else:
            answer = decide(json.loads(body)["income"])
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


load()
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
