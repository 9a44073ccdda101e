"""What every folder of intake/adapters must have: copy one, and these hold it too."""

from contextlib import suppress
from importlib import resources

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.intake.adapters import adapters, help_text
from andon.intake.events import Malformed

KINDS = sorted(adapters())


@pytest.mark.parametrize("kind", KINDS)
def test_its_folder_is_its_kind_and_it_has_a_title(kind):
    adapter = adapters()[kind]
    assert type(adapter).__module__ == f"andon.intake.adapters.{kind}.adapter"
    assert adapter.kind == kind
    assert adapter.title


@pytest.mark.parametrize("kind", KINDS)
def test_its_samples_are_understood(kind):
    samples = list((resources.files("andon.intake.adapters") / kind / "samples").iterdir())
    assert samples
    for sample in samples:
        events = adapters()[kind].parse(sample.read_bytes(), {}, {})
        assert events
        assert all(event.fingerprint and event.title for event in events)


@pytest.mark.parametrize("kind", KINDS)
def test_its_help_names_the_real_address_and_token(kind):
    text = help_text(kind, address="https://andon.example.org/intake/x/y", token="andon_in_secret")
    assert "https://andon.example.org/intake/x/y" in text
    assert "andon_in_secret" in text
    assert "{{" not in text.replace("{{ $", "")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("kind", KINDS)
@given(body=st.binary(max_size=200) | json_values.map(msgspec.json.encode))
def test_any_body_is_understood_or_refused_in_words(kind, body):
    with suppress(Malformed):
        events = adapters()[kind].parse(body, {}, {})
        assert all(0 < len(event.fingerprint) <= 255 for event in events)
