"""Never more than the burst and what has flowed in since; and one key does not stop another."""

from hypothesis import given
from hypothesis import strategies as st

from ml_assets.api.rate_limit import MOST_KEYS, RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    rate=st.floats(0.5, 50),
    burst=st.integers(1, 20),
    waits=st.lists(st.floats(0, 3), min_size=1, max_size=80),
)
def test_no_window_lets_more_through_than_burst_and_rate(rate: float, burst: int, waits: list[float]) -> None:
    clock = Clock()
    limiter = RateLimiter(rate, burst, clock)
    passed: list[float] = []
    for wait in waits:
        clock.now += wait
        seconds = limiter.check("bot")
        if seconds is None:
            passed.append(clock.now)
        else:
            assert 0 < seconds <= 1 / rate + 1e-9
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + rate * (passed[last] - start) + 1e-6


def test_who_waits_as_long_as_told_gets_through() -> None:
    clock = Clock()
    limiter = RateLimiter(2.0, 1, clock)
    assert limiter.check("bot") is None
    seconds = limiter.check("bot")
    assert seconds is not None
    assert limiter.check("other") is None
    clock.now += seconds
    assert limiter.check("bot") is None


def test_no_limit_and_many_keys() -> None:
    clock = Clock()
    assert all(RateLimiter(0.0, 1, clock).check("bot") is None for _ in range(1000))
    limiter = RateLimiter(1.0, 2, clock)
    for key in range(MOST_KEYS * 2):
        clock.now += 0.01
        assert limiter.check(key) is None
    assert len(limiter._buckets) <= MOST_KEYS + 1
