"""The engine as a process of its own."""

import pytest

from andon.engine import runner


def test_an_engine_that_ends_by_itself_ends_its_process_with_an_error(monkeypatch):
    class Dead:
        alive = False

        def __init__(self, *, tick: float) -> None:
            """Never goes round."""

        def stop(self) -> None:
            """Nothing runs."""

    monkeypatch.setattr(runner, "Running", Dead)
    with pytest.raises(SystemExit) as ended:
        runner.run()
    assert ended.value.code not in {0, None}
