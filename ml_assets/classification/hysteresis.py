"""The tier over time: it moves when the evidence is clear on two dates running, not with every wobble.

All chains are replayed at once: one per entity and asked date, each over its own last `REPLAY_DAYS` dates.
No earlier result is read, so the order in which dates are computed does not matter.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.features.grid import FloatArray, IntArray

REPLAY_DAYS = 28
UNNAMED = -1


@dataclass(frozen=True)
class HysteresisPolicy:
    """When a tier changes and when it is given up."""

    change: float = 0.65
    """P(CPL beyond the nearer boundary of the tier) from which a date speaks for a change."""
    change_dates: int = 2
    """Dates running that have to speak for it, in the same direction."""
    floor_dates: int = 3
    """Dates running under the floor after which a named tier is given up."""


@dataclass(frozen=True)
class TierHistory:
    """Where each chain stands at its last date: (entities, asked dates)."""

    tier: IntArray
    """Index into the tiers, `UNNAMED` for insufficient data."""
    previous: IntArray
    """The same one date earlier."""
    days: IntArray
    """Dates running with this tier, the last included; `REPLAY_DAYS` stands for that many or more."""


def replay(
    below: FloatArray,
    band: np.ndarray,
    under_floor: np.ndarray,
    broken: np.ndarray,
    asked: IntArray,
    policy: HysteresisPolicy | None = None,
) -> TierHistory:
    """Replay each asked column over the `REPLAY_DAYS` columns that end with it.

    `below` (3, entities, columns) are P(CPL <= boundary), `band` the median's band, `under_floor` where too
    little is known, `broken` where a change of the attribution setting forbids a tier. A column before the
    first one is skipped.
    """
    policy = policy or HysteresisPolicy()
    entities = np.arange(band.shape[0])[:, None]
    shape = (band.shape[0], asked.size)
    tier = np.full(shape, UNNAMED, dtype=np.int64)
    previous, days = tier.copy(), np.zeros(shape, dtype=np.int64)
    under_count, leaning, lean_count = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    edges = np.concatenate([np.zeros_like(below[:1]), below, np.ones_like(below[:1])])
    for back in range(REPLAY_DAYS - 1, -1, -1):
        column = asked - back
        seen = np.broadcast_to(column >= 0, shape)
        at = np.maximum(column, 0)[None, :]
        under, median = under_floor[entities, at], band[entities, at]
        held = np.maximum(tier, 0)
        better = edges[held, entities, at] >= policy.change
        worse = 1.0 - edges[held + 1, entities, at] >= policy.change
        direction = np.where(better, -1, np.where(worse, 1, 0))
        lean_count = np.where(direction == 0, 0, np.where(direction == leaning, lean_count + 1, 1))
        leaning = direction
        under_count = np.where(under, under_count + 1, 0)
        moves = (tier != UNNAMED) & (lean_count >= policy.change_dates) & (direction != 0)
        after = np.where(moves, median, tier)
        after = np.where((tier == UNNAMED) & ~under, median, after)
        after = np.where((tier != UNNAMED) & (under_count >= policy.floor_dates), UNNAMED, after)
        after = np.where(broken[entities, at], UNNAMED, after)
        changed = after != tier
        lean_count = np.where(changed, 0, lean_count)
        previous = np.where(seen, tier, previous)
        days = np.where(seen, np.where(changed, 1, days + 1), days)
        tier = np.where(seen, after, tier)
    return TierHistory(tier=tier, previous=previous, days=days)
