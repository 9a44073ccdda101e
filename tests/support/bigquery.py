"""A server that speaks as much of BigQuery's REST API as Google's own client needs, and puts what it is asked to DuckDB.

Written by the API's reference. It takes no statement of which that says that BigQuery refuses it, though DuckDB would not: see
`refused`. Who asks needs a token, and gets it for an assertion that is signed with the key of the service account.

    with service() as there:
        os.environ |= there.environment(folder)
        there.answer = (403, "quotaExceeded", "Quota exceeded")      # to every statement from now on
"""

import base64
import decimal
import itertools
import json
import re
import threading
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import duckdb
import sqlglot
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types

PROJECT, DATASET = "example-bank", "risk"
ACCOUNT = f"andon-reader@{PROJECT}.iam.gserviceaccount.com"
TYPES = {
    "VARCHAR": "STRING", "BIGINT": "INTEGER", "HUGEINT": "INTEGER", "INTEGER": "INTEGER", "DOUBLE": "FLOAT", "BOOLEAN": "BOOLEAN",
    "DATE": "DATE", "TIMESTAMP": "DATETIME", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "BLOB": "BYTES",
}  # fmt: skip
MACROS = ("ieee_divide(a, b) as a::double / b::double", "whole_seconds(t) as floor(epoch(t))::bigint")
"""Functions that DuckDB has not, or whose rounding is another."""


def refused(statement, columns):
    """What its reference says that it takes no such values for, though it can be parsed (GoogleSQL, 2026).

    TIMESTAMP, DATETIME and DATE are not compared with each other, and UNIX_SECONDS takes a TIMESTAMP only; MOD takes no
    FLOAT64; there is no ILIKE.
    """
    tables = {table.name: columns for table in statement.find_all(exp.Table)}
    typed = annotate_types(statement.copy(), schema=tables, dialect="bigquery")
    return [
        *(one for one in typed.find_all(exp.Mod) if {_kind(one.this), _kind(one.expression)} & {"DOUBLE", "FLOAT"}),
        *(one for one in typed.find_all(*COMPARED) if len({_kind(one.this), _kind(one.expression)} & TIMES) > 1),
        *(one for one in typed.find_all(exp.UnixSeconds) if _kind(one.this) in TIMES - {"TIMESTAMPTZ"}),
        *typed.find_all(exp.ILike),
    ]


def _kind(node):
    """The type of a part of a statement, in sqlglot's names: a DATETIME is TIMESTAMP there, and a TIMESTAMP TIMESTAMPTZ."""
    if isinstance(node, exp.Datetime | exp.TsOrDsToDatetime):
        return "TIMESTAMP"
    return node.type.this.value if node.type else ""


LONGEST = 0.5
"""Seconds that one call is held open while a statement runs; it is ten there."""
COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
TIMES = {"TIMESTAMP", "TIMESTAMPTZ", "DATE"}


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Service:
    """What stands behind the address: tables, jobs, and how it answers at the moment."""

    def __init__(self, page):
        self.base = duckdb.connect()
        self.base.execute("SET TimeZone = 'UTC'")
        for macro in MACROS:
            self.base.execute(f"create macro {macro}")
        self.key = new_key()
        self.page, self.jobs, self.numbers, self.lock = page, {}, itertools.count(1), threading.Lock()
        self.answer = None  # (status, reason, words), instead of a result
        self.slow = 0.0  # seconds that a statement takes
        self.guarded = set()  # tables that demand a filter on their partitions
        self.asked, self.sent, self.cancelled = [], [], []

    def environment(self, folder):
        """What the client goes by: the service's address, and a key of a service account that asks here for its tokens."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {
            "type": "service_account", "project_id": PROJECT, "private_key_id": "1", "private_key": pem.decode(),
            "client_email": ACCOUNT, "client_id": "1", "token_uri": f"{self.url}/token",
        }  # fmt: skip
        file = folder / "key.json"
        file.write_text(json.dumps(account))
        return {"BIGQUERY_EMULATOR_HOST": self.url, "GOOGLE_APPLICATION_CREDENTIALS": str(file)}

    def token(self, form):
        """A token for a signed assertion; raises if the signature is not that of the account's key."""
        head, body, signature = form["assertion"][0].split(".")
        signed = base64.urlsafe_b64decode(signature + "==")
        try:
            self.key.public_key().verify(signed, f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise Answer(
                400, "", "", {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            ) from None
        return {"access_token": "loopback", "expires_in": 3600, "token_type": "Bearer"}

    def columns(self, table):
        with self.lock:
            found = self.base.execute(
                "select column_name, data_type from information_schema.columns where table_name = ? order by ordinal_position",
                [table],
            ).fetchall()
        return dict(found)

    def table(self, project, dataset, name):
        kinds = self.columns(name)
        if project != PROJECT:
            raise Answer(404, "notFound", f"Not found: Project {project}")
        if dataset != DATASET or not kinds:
            what = "Dataset" if dataset != DATASET else "Table"
            where = f"{project}:{dataset}" + ("" if dataset != DATASET else f".{name}")
            raise Answer(404, "notFound", f"Not found: {what} {where}")
        return {
            "kind": "bigquery#table", "id": f"{project}:{dataset}.{name}", "type": "TABLE",
            "tableReference": {"projectId": project, "datasetId": dataset, "tableId": name},
            "schema": {"fields": [_field(one, kind) for one, kind in kinds.items()]},
            "requirePartitionFilter": name in self.guarded,
        } | ({"timePartitioning": {"type": "DAY", "field": "happened"}} if name in self.guarded else {})  # fmt: skip

    def query(self, project, asked):
        """`jobs.query`: runs the statement, and gives its first page."""
        self.asked.append(asked["query"])
        self.sent.append(asked)
        limit = asked.get("timeoutMs", 10_000) / 1000
        job = {"id": f"job_{next(self.numbers)}", "project": project, "ready": time.monotonic() + self.slow}
        self.jobs[job["id"]] = job
        if self.answer:
            raise Answer(*self.answer)
        job["names"], job["rows"] = self._run(asked)
        return self.results(job, 0, limit, asked.get("maxResults"))

    def results(self, job, first, limit, most):
        """`jobs.getQueryResults`: a page, or that it is not over yet."""
        left = job["ready"] - time.monotonic()
        if left > 0:
            time.sleep(min(left, limit, LONGEST))
        reference = {"projectId": job["project"], "jobId": job["id"], "location": "EU"}
        if time.monotonic() < job["ready"]:
            return {"kind": "bigquery#queryResponse", "jobReference": reference, "jobComplete": False}
        last = first + min(self.page, int(most or self.page))
        answer = {
            "kind": "bigquery#queryResponse", "jobReference": reference, "jobComplete": True, "totalRows": str(len(job["rows"])),
            "schema": {"fields": [_field(*one) for one in job["names"]]}, "totalBytesProcessed": "1000000",
            "rows": [{"f": [{"v": _cell(value)} for value in row]} for row in job["rows"][first:last]],
        }  # fmt: skip
        return answer | ({"pageToken": str(last)} if last < len(job["rows"]) else {})

    def _run(self, asked):
        statement = sqlglot.parse_one(asked["query"], dialect="bigquery")
        for table in statement.find_all(exp.Table):
            if table.db or table.catalog:
                self.table(table.catalog or PROJECT, table.db, table.name)
            if table.name in self.guarded and not any("happened" in one.sql() for one in statement.find_all(exp.Where)):
                raise Answer(
                    400, "invalidQuery",
                    f"Cannot query over table '{PROJECT}.{DATASET}.{table.name}' without a filter over column(s) 'happened' "
                    "that can be used for partition elimination",
                )  # fmt: skip
        named = {table.name for table in statement.find_all(exp.Table)} - {
            one.alias for one in statement.find_all(exp.CTE)
        }
        schema = {one: TYPES[kind] for table in named for one, kind in self.columns(table).items() if kind in TYPES}
        if wrong := refused(
            statement, {name: {"FLOAT": "float64", "INTEGER": "int64"}.get(kind, kind) for name, kind in schema.items()}
        ):
            raise Answer(400, "invalidQuery", f"No matching signature for {wrong[0].sql('bigquery')}")
        if int(asked.get("maximumBytesBilled", 10**12)) < 1_000_000:
            raise Answer(
                400, "bytesBilledLimitExceeded",
                f"Query exceeded limit for bytes billed: {asked['maximumBytesBilled']}. 1000000 or higher required.",
            )  # fmt: skip
        for one in statement.find_all(exp.UnixSeconds):
            one.replace(exp.func("whole_seconds", one.this))
        for table in statement.find_all(exp.Table):
            table.set("db", None)
            table.set("catalog", None)
        with self.lock:
            cursor = self.base.execute(statement.sql("duckdb"))
            return [(one[0], str(one[1])) for one in cursor.description], cursor.fetchall()


class Answer(Exception):  # noqa: N818  reads as what it is
    """An error as the API says it."""

    def __init__(self, status, reason, words, body=None):
        super().__init__(words)
        self.status = status
        self.body = body or {
            "error": {
                "code": status,
                "message": words,
                "errors": [{"reason": reason, "message": words, "domain": "global"}],
            }
        }


def _field(name, kind):
    plain = kind.partition("(")[0]
    return {"name": name, "type": TYPES.get(kind, "NUMERIC" if plain == "DECIMAL" else kind), "mode": "NULLABLE"}


def _cell(value):  # noqa: PLR0911  a line for each kind
    """A value as the API writes it: text, but for null."""
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case float():
            return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(value), repr(value))
        case datetime() if value.tzinfo:
            return str(int((value - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 10**6))
        case datetime() | date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case int() | decimal.Decimal() | str():
            return str(value)
    raise TypeError(value)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def log_message(self, *_):
        """Says nothing."""

    def do_POST(self):
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def do_GET(self):
        self._answer(b"")

    def _answer(self, body):
        try:
            status, answer = 200, self._of(urlsplit(self.path), body)
        except Answer as wrong:
            status, answer = wrong.status, wrong.body
        except Exception as wrong:  # noqa: BLE001  whatever DuckDB says of a statement is an answer
            status, answer = 400, Answer(400, "invalidQuery", f"{type(wrong).__name__}: {wrong}").body
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _of(self, address, body):
        if address.path == "/token":
            return self.service.token(parse_qs(body.decode()))
        if self.headers["Authorization"] != "Bearer loopback":
            raise Answer(401, "authError", "Request had invalid authentication credentials.")
        asked = {name: values[-1] for name, values in parse_qs(address.query).items()}
        match re.sub("^/bigquery/v2/projects/", "", address.path).split("/"):
            case [project, "datasets", dataset, "tables", name]:
                return self.service.table(project, dataset, name)
            case [project, "queries"]:
                return self.service.query(project, json.loads(body))
            case [_, "queries", job]:
                limit = int(asked.get("timeoutMs", 10_000)) / 1000
                first = int(asked.get("pageToken", 0))
                return self.service.results(self.service.jobs[job], first, limit, asked.get("maxResults"))
            case [_, "jobs", job, "cancel"]:
                self.service.cancelled.append(job)
                return {"job": self._job(job)}
            case [_, "jobs", job]:
                return self._job(job)
        raise Answer(404, "notFound", f"Not found: {address.path}")

    def _job(self, number):
        job = self.service.jobs[number]
        state = "DONE" if time.monotonic() >= job["ready"] else "RUNNING"
        return {
            "jobReference": {"projectId": job["project"], "jobId": number, "location": "EU"}, "status": {"state": state},
            "configuration": {"jobType": "QUERY", "query": {"query": "", "destinationTable": {
                "projectId": job["project"], "datasetId": "_anonymous", "tableId": number}}},
            "statistics": {"query": {"statementType": "SELECT"}},
        }  # fmt: skip


@contextmanager
def service(page=1000):
    """It, listening on loopback; rows come in pages of that many."""
    there = Service(page)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"service": there}))
    there.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
