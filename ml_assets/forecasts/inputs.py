"""What forecasts are made from."""

from dataclasses import dataclass, field

import polars as pl

from ml_assets.features.inputs import FeatureInputs
from ml_assets.frames import LEAD_REVISIONS, empty

HISTORY_DAYS = 182
"""Days, the forecast date included, that a forecast learns from."""

LOOKBACK_DAYS = HISTORY_DAYS - 1
"""Days before a date whose figures its forecasts read."""


@dataclass(frozen=True)
class ForecastInputs:
    """Frames of some accounts, read once; `figures.metrics` holds all three levels."""

    figures: FeatureInputs
    revisions: pl.DataFrame = field(default_factory=lambda: empty(LEAD_REVISIONS))
