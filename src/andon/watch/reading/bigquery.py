"""BigQuery: Ibis finds the words of a statement, and Google's own client asks.

By itself Ibis would run another statement at each opening, wait ten minutes for a service that is away, and fetch rows
by a second interface for which whoever reads a table has no right. Here all of a reading is within its time, the
service ends by itself what takes longer, and an address may say how much one statement may cost.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import ibis
import ibis.expr.operations as ops
from google.api_core.exceptions import GoogleAPIError
from google.auth import default
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud import bigquery
from google.oauth2 import service_account
from ibis.backends.bigquery import Backend
from ibis.backends.bigquery.client import schema_from_bigquery_table
from ibis.backends.bigquery.datatypes import BigQuerySchema
from ibis.common.exceptions import IbisError
from requests import RequestException

from andon.kit.errors import Invalid
from andon.watch.reading.places import Place, Unreadable
from andon.watch.reading.values import is_of_bigquery, of_value

_SCOPES: Final = ("https://www.googleapis.com/auth/bigquery",)
_TOKENS: Final = "https://oauth2.googleapis.com/token"
_HOW: Final = (
    "Let whoever runs Andon set GOOGLE_APPLICATION_CREDENTIALS to a key file, or give the log a key of its own in its "
    "source (see “Connect a decision log”)."
)
_AGAIN: Final = "Andon tries again by itself."
_WHAT_TO_DO: Final[Mapping[str, str]] = {
    "bytesBilledLimitExceeded": "Raise maximum_bytes_billed in the log's source, or partition the table by its time.",
    "accessDenied": "The account needs BigQuery Job User on the project, and BigQuery Data Viewer on the table.",
    "quotaExceeded": _AGAIN,
    "rateLimitExceeded": _AGAIN,
    "backendError": _AGAIN,
    "notFound": "Project, dataset and table are named as in bigquery://project/dataset, and table or dataset.table.",
}
"""What may be done about an error, by the reason that the API gives."""


class Warehouse:
    """BigQuery, asked as one log asks."""

    def __init__(self, place: Place, seconds: float) -> None:
        parts = urlsplit(place.source)
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self._place, self._seconds = place, seconds
        self._project = parts.hostname or ""
        self._dataset = parts.path.strip("/")
        self._words = Backend()
        config = bigquery.QueryJobConfig(
            use_legacy_sql=False, job_timeout_ms=int(seconds * 1000), labels={"application": "andon"}
        )
        if "maximum_bytes_billed" in asked:
            config.maximum_bytes_billed = _whole(asked["maximum_bytes_billed"])
        with self._in_words():
            self._client = bigquery.Client(
                project=self._project,
                credentials=_credentials(parts.username),
                location=asked.get("location"),
                default_query_job_config=config,
            )
        # One call is waited for a quarter of the time, and tried again for half of it: what is wrong can be said then.
        self._patience = {"timeout": seconds / 4, "retry": bigquery.DEFAULT_RETRY.with_timeout(seconds / 2)}

    def table(self) -> Any:
        """The table of the log, for expressions. Raises `Unreadable`."""
        project, dataset, name = self._named()
        with self._in_words():
            found = self._client.get_table(f"{project}.{dataset}.{name}", **self._patience)
        found.schema = [one for one in found.schema if _is_known(one)]
        table = ops.DatabaseTable(
            name,
            schema=schema_from_bigquery_table(found, wildcard=name.endswith("*")),
            source=self._words,
            namespace=ops.Namespace(catalog=project, database=dataset),
        ).to_expr()
        if not found.require_partition_filter:
            return table
        # Its owner wants no statement over all of it by mistake; a first look is one on purpose, once.
        return table.filter(_from_the_first(table[_partitioned_by(found)]))

    def to_pyarrow(self, expression: Any, *, limit: int) -> Any:
        """What an expression gives, at most so many lines. Raises `Unreadable`, or `TimeoutError`."""
        statement = self._words.compile(expression, limit=limit)
        with self._in_words():
            found = self._client.query_and_wait(
                statement,
                api_timeout=self._patience["timeout"],
                wait_timeout=self._seconds,
                retry=self._patience["retry"],
                job_retry=None,  # a statement that failed is not paid for again within one reading
            )
            return found.to_arrow(create_bqstorage_client=False)

    def disconnect(self) -> None:
        """Let go of the client."""
        self._client.close()

    def _named(self) -> tuple[str, str, str]:
        """Project, dataset and table: by the address, unless the table's own name says otherwise."""
        named = self._place.table.replace("`", "").split(".")
        if len(named) == 1 and self._dataset:
            named = [*self._dataset.split("."), *named]
        if len(named) == 2:  # noqa: PLR2004  dataset and table
            named = [self._project, *named]
        if len(named) != 3 or not all(named):  # noqa: PLR2004  project, dataset and table
            raise Invalid(
                "The table is found by its dataset: bigquery://project/dataset with a table, or bigquery://project "
                "with dataset.table.",
                field="table",
            )
        return named[0], named[1], named[2]

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Say what Google's client says, without its addresses, and what may be done about it."""
        try:
            yield
        except DefaultCredentialsError as error:
            raise self._unreadable("this machine has no credentials for BigQuery", _HOW) from error
        except GoogleAuthError as error:
            raise self._unreadable(f"its credentials are refused: {error.args[0]}", _HOW) from error
        except (GoogleAPIError, RequestException) as error:
            last = getattr(error, "cause", None) or error
            said: dict[str, str] = next(iter(getattr(last, "errors", None) or ()), {})
            if is_of_bigquery(said):
                words, what_to_do = of_value(said["message"]), ""
            elif "message" in said:
                words, what_to_do = f"BigQuery says: {said['message']}", _WHAT_TO_DO.get(said.get("reason", ""), "")
            else:
                words, what_to_do = f"BigQuery cannot be reached: {last}", _AGAIN
            raise self._unreadable(words, what_to_do) from error

    def _unreadable(self, why: str, what_to_do: str) -> Unreadable:
        why = " ".join(why.split())[:500].rstrip(".")
        return Unreadable(
            f"The log “{self._place.name}” ({self._place.where}) cannot be read: {why}. {what_to_do}".rstrip()
        )


def _is_known(column: Any) -> bool:
    """Whether Ibis has a word for its type. Without one (an interval, a range) nothing can be said of the column."""
    try:
        BigQuerySchema.to_ibis([column])
    except (IbisError, NotImplementedError, ValueError):
        return False
    return True


def _partitioned_by(table: Any) -> str:
    by = table.time_partitioning or table.range_partitioning
    return str(by.field or "_PARTITIONTIME")


def _from_the_first(column: Any) -> Any:
    """A condition on the column of the partitions that leaves none out, but that of the rows without a value there."""
    kind = column.type()
    if kind.is_integer():
        return column >= -(2**63)
    first = ibis.date(1900, 1, 1)
    return column >= (first if kind.is_date() else ibis.timestamp("1900-01-01", timezone=kind.timezone))


def _credentials(key: str | None) -> Any:
    """The key that an address holds, else what the machine has. Nobody is asked to sign in by a browser.

    Of a key only account and private key are taken: by the rest of such a file the client would ask any address for
    its token, read other files, or run programs.
    """
    if not key:
        return default(scopes=_SCOPES)[0]
    try:
        held = json.loads(base64.urlsafe_b64decode(unquote(key) + "=="))
        plain = {name: str(held[name]) for name in ("client_email", "private_key")}
        return service_account.Credentials.from_service_account_info(plain | {"token_uri": _TOKENS}, scopes=_SCOPES)
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise Invalid(
            "The part before @ is no key of a service account. Put the key file that Google gave there, made one line "
            "by: base64 -w0 key.json | tr '+/' '-_'",
            field="source",
        ) from error


def _whole(given: str) -> int:
    if not given.isdigit():
        raise Invalid(f"maximum_bytes_billed is a whole number of bytes; this is “{given}”.", field="source")
    return int(given)
