"""What is kept in memory for some seconds: who reads it anew, and who waits for that."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from ml_assets.api.context import Kept

SECONDS = 0.5


class Source:
    """Tells 1, 2, 3 ...; from the second on it waits until it may go on."""

    def __init__(self) -> None:
        self.count = 0
        self.begun, self.may_go_on = threading.Event(), threading.Event()

    def __call__(self) -> int:
        self.count += 1
        told = self.count
        if told > 1:
            self.begun.set()
            assert self.may_go_on.wait(20)
        return told


def while_one_reads(then: Callable[[Kept[int], Source, "Future[int]"], None]) -> None:
    source = Source()
    kept = Kept(source, SECONDS)
    assert kept.get() == kept.get() == 1
    time.sleep(SECONDS)
    with ThreadPoolExecutor(2) as threads:
        try:
            reading = threads.submit(kept.get)
            assert source.begun.wait(20)
            then(kept, source, reading)
        finally:
            source.may_go_on.set()


def test_while_one_reads_the_others_take_what_was_there() -> None:
    def then(kept: Kept[int], source: Source, reading: "Future[int]") -> None:
        assert kept.get() == 1
        source.may_go_on.set()
        assert reading.result(20) == 2
        assert kept.get() == source.count == 2

    while_one_reads(then)


def test_what_is_far_too_old_is_waited_for() -> None:
    def then(kept: Kept[int], source: Source, reading: "Future[int]") -> None:
        time.sleep(SECONDS)
        waiting = ThreadPoolExecutor(1).submit(kept.get)
        with pytest.raises(TimeoutError):
            waiting.result(0.3)
        source.may_go_on.set()
        assert reading.result(20) == 2
        # What took longer to read than it may be old is read again.
        assert waiting.result(20) == source.count == 3

    while_one_reads(then)


def test_what_cannot_be_read_is_told_and_read_again() -> None:
    told = iter([KeyError("no"), 7])

    def read() -> int:
        value = next(told)
        if isinstance(value, Exception):
            raise value
        return value

    kept = Kept(read, SECONDS)
    with pytest.raises(KeyError):
        kept.get()
    assert kept.get() == 7
