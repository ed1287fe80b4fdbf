"""On which days each entity was active: by its status, or by its delivery where that is not known."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ml_assets.features.grid import LevelGrid, TreeGrid
from ml_assets.features.history import LevelHistory, level_history
from ml_assets.features.inputs import FeatureInputs

RECENT_DAYS = 3
"""Days of delivery, the date included, that speak for an entity without a known status."""


@dataclass(frozen=True)
class Activity:
    """A level of a tree over its days."""

    level: LevelGrid
    history: LevelHistory
    is_active: np.ndarray
    """(entities, days): active at the end of the day, and everything above it too."""


def activity(tree: TreeGrid, figures: FeatureInputs, dates: Sequence[dt.date]) -> Iterator[Activity]:
    """The levels of a tree from the top down; `dates` are those of its columns."""
    above: np.ndarray | None = None
    for entity_type, level in tree.levels.items():
        history = level_history(
            figures.entities, figures.versions, figures.accounts, entity_type, level.keys, dates
        )
        on_day = level.values["impressions"] > 0
        recently = on_day.copy()
        for back in range(1, RECENT_DAYS):
            recently[:, back:] |= on_day[:, :-back]
        active = history.is_active(on_day, recently, above, level.parent)
        if above is not None:  # whatever its own status still says, nothing runs below what is paused
            active &= level.parent.spread(above)
        yield Activity(level, history, active)
        above = active
