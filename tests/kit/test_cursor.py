from datetime import timedelta

import pytest

from andon.kit import cursor
from andon.kit.errors import Invalid
from andon.people.models import Team

pytestmark = pytest.mark.django_db


@pytest.fixture
def teams(time):
    made = []
    for number in range(5):
        made.append(Team.objects.create(slug=f"t{number}", name=f"Team {number}"))
        time.forward(timedelta(seconds=1))
    return made


def walk(newest_first):
    seen, at = [], None
    while True:
        page = cursor.page(Team.objects.all(), cursor=at, limit=2, newest_first=newest_first)
        seen += [team.slug for team in page.items]
        if (at := page.next_cursor) is None:
            return seen


def test_pages_cover_every_row_once_in_the_order_they_were_made(teams):
    assert walk(newest_first=True) == ["t4", "t3", "t2", "t1", "t0"]
    assert walk(newest_first=False) == ["t0", "t1", "t2", "t3", "t4"]


def test_a_row_that_comes_in_between_shifts_nothing(teams):
    first = cursor.page(Team.objects.all(), limit=2)
    Team.objects.create(slug="late", name="Late")
    second = cursor.page(Team.objects.all(), cursor=first.next_cursor, limit=2)
    assert [team.slug for team in second.items] == ["t2", "t1"]


def test_the_last_page_says_that_it_is_the_last(teams):
    assert cursor.page(Team.objects.all(), limit=5).next_cursor is None
    assert cursor.page(Team.objects.none()).items == []


@pytest.mark.parametrize("bad", ["x", "nonsense!", "é", "A" * 21, "A" * 23, "AAAA"])
def test_a_cursor_that_is_none_is_refused_by_name(bad):
    with pytest.raises(Invalid) as refused:
        cursor.page(Team.objects.all(), cursor=bad)
    assert refused.value.field == "cursor"


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_limit_out_of_bounds_is_refused_by_name(limit):
    with pytest.raises(Invalid) as refused:
        cursor.page(Team.objects.all(), limit=limit)
    assert refused.value.field == "limit"
