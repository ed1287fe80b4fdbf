"""What anomalies are found in: figures of all levels, what people said, and which days still run."""

from dataclasses import dataclass, field

import polars as pl

from ml_assets.anomalies.frames import INCIDENT_FEEDBACK, RUNNING_DAYS
from ml_assets.features.inputs import FeatureInputs
from ml_assets.frames import LEAD_REVISIONS, empty

CHAIN_DAYS = 28
"""Incidents of a date are followed from the start of the four weeks before those of the date."""

HISTORY_DAYS = 56
"""Days before a chain on which expectations are learnt."""

LOOKBACK_DAYS = HISTORY_DAYS + 2 * CHAIN_DAYS
"""Days before a date whose figures its anomalies read."""


@dataclass(frozen=True)
class AnomalyInputs:
    """Frames of some accounts, read once; `figures.metrics` holds all three levels.

    It reaches `LOOKBACK_DAYS` before the first date. On a day that still runs it holds the figures read until
    `running.judged_until`.
    """

    figures: FeatureInputs
    revisions: pl.DataFrame = field(default_factory=lambda: empty(LEAD_REVISIONS))
    feedback: pl.DataFrame = field(default_factory=lambda: empty(INCIDENT_FEEDBACK))
    running: pl.DataFrame = field(default_factory=lambda: empty(RUNNING_DAYS))
