"""A connection that is kept, to a file that may be replaced."""

import pytest
from django.db.utils import ConnectionHandler


@pytest.fixture
def connect(tmp_path):
    made = []

    def make(name):
        given = {"ENGINE": "andon.kit.sqlite", "NAME": str(tmp_path / name), "OPTIONS": {}}
        made.append(ConnectionHandler({"default": given})["default"])
        return made[-1]

    yield make
    for one in made:
        one.close()


def says(connection):
    with connection.cursor() as cursor:
        return cursor.execute("SELECT word FROM said").fetchone()[0]


def written(connection, word):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE said (word)")
        cursor.execute("INSERT INTO said VALUES (%s)", [word])
    connection.close()


@pytest.mark.django_db
def test_a_kept_connection_is_closed_where_another_file_has_taken_the_place_of_its_own(connect, tmp_path):
    kept = connect("one")
    written(kept, "one")
    written(connect("other"), "other")
    assert says(kept) == "one"
    opened = kept.connection
    kept.close_if_replaced()
    assert kept.connection is opened
    (tmp_path / "other").replace(tmp_path / "one")
    assert says(kept) == "one", "SQLite goes on with the file that it has open"
    kept.close_if_replaced()
    assert says(kept) == "other"
    (tmp_path / "one").unlink()
    kept.close_if_replaced()
    assert kept.connection is None
