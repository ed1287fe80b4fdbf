"""What the pure packages are given: the frames of some accounts over some days, read once."""

from dataclasses import dataclass

import polars as pl

LOOKBACK_DAYS = 112
"""Days before a date that its features read: the 16 weeks in which an ad's best week is looked for. Every
other window is shorter."""


@dataclass(frozen=True)
class FeatureInputs:
    """Frames in the schemas of `ml_assets.frames`, all of the same accounts.

    `metrics` holds at least the levels from the campaign down to the one asked for, over
    [first date - LOOKBACK_DAYS, last date]. `development` may be empty: the maturity curve is assumed then.
    """

    accounts: pl.DataFrame
    entities: pl.DataFrame
    versions: pl.DataFrame
    metrics: pl.DataFrame
    development: pl.DataFrame
