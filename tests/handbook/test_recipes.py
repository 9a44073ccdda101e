"""Watch recipes are whole, fit the kinds of watch they name, and a mistake in them is named."""

from __future__ import annotations

import re

import pytest

from andon.handbook.book import check, shipped_handbook
from andon.handbook.recipes import BOOKS, load_books, load_roles
from andon.handbook.source import HandbookError, shipped
from andon.practice.words import SystemKind, WatchKind
from andon.watch.kinds import KINDS, measures
from andon.watch.reading.expressions import parse

RECIPES = [(name, recipe) for name, book in load_books(shipped()).items() for recipe in book.watches]


def test_every_sort_of_system_has_a_book():
    assert {name: len(book.watches) for name, book in load_books(shipped()).items()}.keys() == set(BOOKS)
    for kind in SystemKind:
        assert shipped_handbook().recipes_for(kind).watches
    assert shipped_handbook().recipes_for(SystemKind.AGENT).title == "Agents"
    assert shipped_handbook().recipes_for(SystemKind.OTHER) is shipped_handbook().recipes_for(SystemKind.CLASSIFIER)


@pytest.mark.parametrize(("name", "recipe"), RECIPES, ids=[f"{name}-{recipe.key}" for name, recipe in RECIPES])
def test_a_recipe_fits_its_kind_and_can_be_read(name, recipe):
    kind = KINDS[recipe.kind]
    if recipe.measure is not None:
        assert recipe.measure in measures(recipe.kind)
    assert (recipe.metric is not None) == (recipe.kind is WatchKind.FAIRNESS_GAP)
    for way in recipe.ways:
        if way.what:
            parse(re.sub(r"\{(\w+)\}", r'"\1"', way.what))
        else:  # then the kind says what is counted, of columns that the way has to ask for
            assert set(kind.needs) <= set(way.needs)


def test_each_book_begins_with_silence_and_watches_what_harms():
    for book in load_books(shipped()).values():
        assert book.watches[0].kind is WatchKind.VOLUME
        assert {recipe.kind for recipe in book.watches} & {
            WatchKind.ACCURACY, WatchKind.HARMFUL_OUTPUT, WatchKind.FAIRNESS_GAP
        }  # fmt: skip


MISTAKES = {
    "unknown kind": ("classifier.yaml", "kind: volume", "kind: volumes", "watches[volume].kind", "error_rate"),
    "unknown role": ("classifier.yaml", "needs: [failed]", "needs: [fail]", "watches[failed].ways", "refused"),
    "column that is not asked for": ("llm.yaml", "{harmful}", "{blocked}", "watches[harmful].ways", "does not need"),
    "key twice": ("agent.yaml", "key: steps", "key: cost", "watches[cost].key", "more than once"),
    "no reason": ("agent.yaml", "why: People notice what no test was written for.", 'why: " "', "watches", "Say what"),
    "no way": ("agent.yaml", "ways: [{}]", "ways: []", "watches[volume].ways", "at least one"),
    "a kind of system in two books": ("agent.yaml", "[agent]", "[agent, vision]", "systems", "classifier.yaml too"),
    "unknown word": ("llm.yaml", "by_group: true", "by_groups: true", "watches[failed]", "by_groups"),
    "role that every log is asked for": ("columns.yaml", "key: label", "key: labels", "roles", "label"),
    "role of what plays none": ("columns.yaml", "key: shown", "key: input", "roles[input]", "Take it out"),
    "names in capitals": ("columns.yaml", "[answer, ", "[Answer, ", "roles[answer].names", "lower case"),
}


@pytest.mark.parametrize(("file", "old", "new", "place", "hint"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_a_recipe_is_refused_naming_file_and_place(spoil, file, old, new, place, hint):
    handbook = spoil(f"watches/{file}", old, new)
    mistake, *more = check(handbook)
    assert all(one.file == mistake.file for one in more)
    assert isinstance(mistake, HandbookError)
    assert mistake.file == f"watches/{file}"
    assert mistake.place.startswith(place)
    assert hint in str(mistake)


def test_columns_are_asked_for_in_order():
    keys = [role.key for role in load_roles(shipped())]
    assert keys == [role.key for role in shipped_handbook().roles]
    assert keys.index("subject") < keys.index("ignored") < keys.index("score")
