"""How often a caller may ask: a bucket of tokens for each, which fills at a steady rate (token bucket)."""

import threading
import time
from collections.abc import Callable, Hashable

MOST_KEYS = 10_000
"""Buckets that are kept; beyond it those that are full are forgotten, which changes nothing for them."""


class RateLimiter:
    """At most `burst` requests at once and `per_second` in the long run, for each key. 0: no limit."""

    def __init__(self, per_second: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._burst = max(burst, 1.0)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def check(self, key: Hashable) -> float | None:
        """None: the request may pass, and counts. Otherwise it does not; the seconds until the next may."""
        if self._rate <= 0:
            return None
        with self._lock:
            now = self._clock()
            level, since = self._buckets.get(key, (self._burst, now))
            level = min(self._burst, level + (now - since) * self._rate)
            if level < 1.0:
                self._buckets[key] = (level, now)
                return (1.0 - level) / self._rate
            self._buckets[key] = (level - 1.0, now)
            if len(self._buckets) > MOST_KEYS:
                self._forget_full(now)
            return None

    def _forget_full(self, now: float) -> None:
        self._buckets = {
            key: (level, since)
            for key, (level, since) in self._buckets.items()
            if level + (now - since) * self._rate < self._burst
        }
