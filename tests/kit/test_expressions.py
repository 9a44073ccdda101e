"""Expressions about signals: read once, bounded, and never able to break what asks them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.kit import expressions
from andon.kit.errors import Invalid

SIGNAL = {
    "title": "Latency is high",
    "description": "",
    "labels": {"env": "prod", "a.b": "1", "shard": "4"},
    "severity": 2,
    "type": "technical_failure",
    "system": "credit-scorer",
    "integration": "prometheus",
    "kind": "alertmanager",
    "status": "firing",
    "count": 3,
    "url": "",
    "fingerprint": "f",
}


def test_the_fields_are_those_that_are_documented():
    assert set(SIGNAL) == set(expressions.FIELDS)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('signal.labels.env == "prod" && signal.severity <= 2', True),
        ('signal.labels["a.b"] == "1"', True),
        ("has(signal.labels.team)", False),
        ('!has(signal.labels.team) || signal.labels.team != "x"', True),
        ('signal.title.matches("(?i)LATENCY")', True),
        ('signal.title.matches("a{1,}.{2}[{]?|(?x) h { 1 , 9 }")', True),
        (r"""signal.labels.exists(k, signal.labels[k].matches(r'^pr[o]d$'))""", True),
        # A label may be called as anything, and a field named in brackets.
        ('signal.labels.signal == "yes" && signal.labels["signal"] != "no" && has(signal.labels.signal)', True),
        ('signal.labels . // of it\n signal.contains("yes")', True),
        ("""signal["title"].contains("high") && signal[ 'severity' ] <= 2""", True),
        ('signal["labels"].env == "prod" && size(signal["labels"]) > 1', True),
        ("int(signal.labels.shard) > 3", True),
        ('signal.labels.exists(name, name.startsWith("sh"))', True),
        ('signal.system + "-eu"', "credit-scorer-eu"),
        ('signal.title == "signal.nothing"', False),
        ("true", True),
    ],
)
def test_what_it_says(source, value):
    outcome = expressions.read(source).ask(SIGNAL | {"labels": {**SIGNAL["labels"], "signal": "yes"}})
    assert outcome.value == value
    assert outcome.holds == (value is True)
    assert not outcome.error


def test_a_label_that_is_not_there_is_no_match_and_no_mistake():
    outcome = expressions.read('signal.labels.team == "x"').ask(SIGNAL)
    assert (outcome.holds, outcome.absent, outcome.error) == (False, True, "It has no label team.")


@pytest.mark.parametrize(
    "source", ["signal.title + 3", "1 / (signal.count - 3)", 'signal.title.matches("(" + "a")', "int(signal.title) > 1"]
)
def test_what_cannot_be_said_of_one_signal_is_no_match_and_is_told(source):
    outcome = expressions.read(source).ask(SIGNAL)
    assert not outcome.holds
    assert outcome.error
    assert not outcome.absent


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "cannot be read"),
        ("signal.title ==", "cannot be read at character"),
        ("title == 'x'", "There is no title"),
        ("signal.titel == 'x'", "A signal has no titel"),
        ("open('/etc/passwd')", "There is no function open"),
        ("__import__('os') == 'x'", "There is no function __import__"),
        ("signal.title.__class__() == 'x'", "There is no function __class__"),
        ("signal.title.__class__ == 1", ""),
        ("signal.labels.all(a, signal.labels.all(b, signal.labels.all(c, true)))", "loops 3 times"),
        # A comment between hides no loop, nor does one that looks like the end of a text, nor the other spelling.
        ("signal.labels.all(a, signal.labels.all(//\na, signal.labels.all(//\na, true)))", "loops 3 times"),
        ('signal.labels.all(a, // "\nsignal.labels.all(a, signal.labels.all(a, true)) // "\n)', "loops 3 times"),
        (
            r'r"\" == "" || signal.labels.all(a, signal.labels.all(a, signal.labels.all(a, true))) || "" == ""',
            "loops 3",
        ),
        ("signal.labels.existsOne(a, signal.labels.existsOne(a, signal.labels.existsOne(a, true)))", "loops 3 times"),
        ("signal.labels.all(signal, true)", "something else than signal"),
        ("signal.labels.map(a, signal.labels.map(b, signal.description + a)) == []", "neither joins texts"),
        ('signal.labels.all(a, signal.labels.all(b, signal.title.matches("x")))', "nor matches"),
        ('signal.title.matches("(")', "not a valid regex"),
        ("signal.title.matches('((x{20}){20}y{1,9})')", "more than 1,000 times"),
        # However the count is written: of at least so many, with spaces and comments, or its sign as an escape.
        ('signal.labels.exists(k, signal.labels[k].matches("(?:[a-z]{250,}){250,}x"))', "more than 1,000 times"),
        ('signal.title.matches("(?x)(?:a{ 100 }){ 100 }x")', "more than 1,000 times"),
        (r'signal.title.matches("(?x)(?:a{1 0 0,}){1#}\n00,}x")', "more than 1,000 times"),
        (r'signal.title.matches("(?:a\u007b100}){100}")', "more than 1,000 times"),
        ("signal.labels.exists(k, signal.title.matches(k))", "one regular expression, written out"),
        ('signal.labels.exists(k, k.matches("((x{20}){2" + "0}y{9})"))', "one regular expression, written out"),
        # Each of these took seconds or gigabytes for a single signal.
        ("signal.labels.map(a, signal.labels.map(b, signal.title)) == []", "nor maps"),
        ("[" + "0, " * 80 + "0].map(a, [signal.description]) == []", "at most 64 values"),
        ("signal.labels.map(a, signal.labels) == []", "which of its labels"),
        ("signal.labels.map(a, [signal]) == []", "which field"),
        ('[signal["labels"], signal["labels"]] == []', "which field"),
        ('signal["labels"].map(a, signal["labels"]) == []', "which of its labels"),
        ('signal.labels.exists(k, signal[k] == "x")', "which field"),
        ('signal["lab" + "els"] == {}', "which field"),
        ('[signal, "labels.signal"] == []', "which field"),
        ("true || signal.labels.exists(a, signal.labels[a].matches( r'(?=x)'))", "not a valid regex"),
        ("true || " * 400 + "true", "characters long"),
        ("(" * 500 + "true" + ")" * 500, "cannot be read"),
    ],
)
def test_what_cannot_be_an_expression_is_refused_in_words(source, says):
    if not says:  # read, and then no more than a label that is not there
        assert not expressions.read(source).ask(SIGNAL).holds
        return
    with pytest.raises(Invalid) as refused:
        expressions.read(source, field="source")
    assert says in refused.value.what
    assert refused.value.field == "source"


@pytest.mark.parametrize("source", ["signal.title", "1", "[true]", "{1: 2}", 'signal.title + "!"'])
def test_a_condition_that_could_never_hold_is_refused(source):
    with pytest.raises(Invalid, match="not true or false"):
        expressions.condition(source)


@pytest.mark.parametrize(
    "source", ["true", "signal.severity == 1", 'signal.labels.env == "prod"', "int(signal.title) > 3"]
)
def test_a_condition_may_speak_of_what_not_every_signal_has(source):
    assert expressions.condition(source).source == source


def test_signs_of_comments_and_loops_inside_texts_are_words():
    found = expressions.read(
        """signal.url.startsWith("https://") && ["all(", r'\\', "map(", 'filter(+'].exists(a, a != "") // or all( of it"""
    ).ask(SIGNAL | {"url": "https://monitor.example"})
    assert found.holds


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(source):
    try:
        outcome = expressions.read(source).ask(SIGNAL)
    except Invalid:
        return
    assert outcome.holds in {True, False}


names, texts = st.sampled_from(["env", "team", "a b"]), st.text(max_size=20)


@given(st.dictionaries(names, texts, max_size=3), st.one_of(st.integers(0, 5)), texts)
def test_any_signal_can_be_asked(labels, severity, title):
    signal = SIGNAL | {"labels": labels, "severity": severity, "title": title}
    said = expressions.read('signal.labels.env == "prod" || signal.severity == 1').ask(signal)
    assert said.holds == (labels.get("env") == "prod" or severity == 1)
