import threading
from datetime import timedelta

from andon.kit.memo import Memo


def test_an_answer_is_kept_for_its_time_and_then_asked_anew(time):
    memo, asked = Memo(timedelta(seconds=2)), []
    ask = lambda: asked.append(1) or len(asked)  # noqa: E731  the shortest way to count
    assert [memo.get("k", ask), memo.get("k", ask)] == [1, 1]
    time.forward(timedelta(seconds=2))
    assert memo.get("k", ask) == 2
    assert memo.get("other", ask) == 3


def test_a_clock_that_was_set_back_does_not_keep_an_answer_for_ever(time):
    memo = Memo(timedelta(seconds=2))
    memo.get("k", lambda: "old")
    time.set(time.now() - timedelta(hours=1))
    assert memo.get("k", lambda: "new") == "new"


def test_what_was_asked_before_a_change_is_not_kept_after_it(time):
    memo = Memo(timedelta(seconds=2))

    def ask() -> str:
        memo.clear()  # somebody writes while the answer is on its way
        return "old"

    assert memo.get("k", ask) == "old"
    assert memo.get("k", lambda: "new") == "new"


def test_nothing_is_as_good_an_answer_as_any(time):
    memo, asked = Memo(timedelta(seconds=2)), []
    for _ in range(2):
        assert memo.get("k", lambda: asked.append(1)) is None
    assert len(asked) == 1


def test_it_does_not_grow_without_end(time):
    memo = Memo(timedelta(seconds=2), most=3)
    for key in range(10):
        memo.get(key, lambda: 0)
    assert len(memo._values) <= 3


def test_two_who_ask_at_once_ask_once(time):
    memo, asked, gate = Memo(timedelta(seconds=2)), [], threading.Event()

    def ask() -> int:
        asked.append(1)
        gate.wait(5)
        return 1

    threads = [threading.Thread(target=memo.get, args=("k", ask)) for _ in range(4)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
