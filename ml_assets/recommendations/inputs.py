"""What decisions are made from: the figures of the features, what people did, what must not be trusted."""

from dataclasses import dataclass, field

import polars as pl

from ml_assets.features.inputs import LOOKBACK_DAYS as FEATURE_LOOKBACK_DAYS
from ml_assets.features.inputs import FeatureInputs
from ml_assets.frames import LEAD_REVISIONS, empty
from ml_assets.recommendations.frames import SUSPENSIONS, USER_ACTIONS

REPLAY_DAYS = 42
"""Dates over which rules and plan are replayed, the date itself included."""

LOOKBACK_DAYS = FEATURE_LOOKBACK_DAYS + REPLAY_DAYS
"""Days before a date whose figures its decisions read."""


@dataclass(frozen=True)
class DecisionInputs:
    """Frames of some accounts, read once; `figures.metrics` reaches `LOOKBACK_DAYS` before the first date."""

    figures: FeatureInputs
    actions: pl.DataFrame = field(default_factory=lambda: empty(USER_ACTIONS))
    suspensions: pl.DataFrame = field(default_factory=lambda: empty(SUSPENSIONS))
    revisions: pl.DataFrame = field(default_factory=lambda: empty(LEAD_REVISIONS))
    """LEAD_REVISIONS of the days replayed: past dates are replayed on what their mornings knew."""
