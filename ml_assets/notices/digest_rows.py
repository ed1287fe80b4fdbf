"""What the daily digest is told from: frames with a row per thing to tell, of all accounts together.

They are filled from stored results in `ml_assets.report.digest`, and worded in `ml_assets.notices.digest`.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from ml_assets.frames import Schema, empty


class Lacking(StrEnum):
    """What an account has nothing of on the digest's date."""

    PLAN = "plan"
    """The recommendations of the date were not made."""
    TIERS = "tiers"
    """Nothing of the account was classified on the date."""
    FIGURES = "figures"
    """No figures of the date."""
    FORECASTS = "forecasts"
    """Days of the month are left, and none is foreseen."""


DIGEST_ACCOUNTS: Schema = {
    "config_id": pl.Int64(),
    "name": pl.String(),
    "currency": pl.String(),  # ISO 4217; null where it is not known
}
"""The accounts, what matters most first."""

TO_DO: Schema = {
    "config_id": pl.Int64(),
    "title": pl.String(),
    "probability": pl.Float64(),  # null is not told
    "money_per_week": pl.Float64(),  # account currency; null is not told
}
"""What to do, first things first in each account."""

MOVED: Schema = {
    "config_id": pl.Int64(),
    "entity_type": pl.String(),
    "name": pl.String(),
    "tier": pl.String(),
    "previous_tier": pl.String(),  # of the day before
    "direction": pl.String(),  # up or down
    "spend": pl.Float64(),  # of 14 days, account currency; null is not told
}
"""Entities whose tier is another than the day before, largest spend first in each account."""

TOLD_INCIDENTS: Schema = {
    "config_id": pl.Int64(),
    "sentence": pl.String(),
    "is_new": pl.Boolean(),  # not told of on the day before
    "is_over": pl.Boolean(),  # it ended on the date
}
"""Incidents that are open or ended on the date, most pressing first in each account."""

PACED: Schema = {
    "config_id": pl.Int64(),
    "day": pl.Int64(),  # of the month, the date's own
    "days_left": pl.Int64(),  # of the month; 0 on its last day
    "days_ahead": pl.Int64(),  # of these, foreseen; 0: none, and what follows is null
    "spend_to_date": pl.Float64(),
    "leads_to_date": pl.Float64(),  # as delivered: late ones of the last days are missing
    "spend_ahead": pl.Float64(),  # of the days foreseen
    "spend_lower_80": pl.Float64(),
    "spend_upper_80": pl.Float64(),
    "leads_ahead": pl.Float64(),
    "leads_lower_80": pl.Float64(),
    "leads_upper_80": pl.Float64(),
    "budget": pl.Float64(),  # of the month; null where none is set
}
"""The month of an account up to the date, and what is foreseen of its days left; at most a row for each."""

LACKS: Schema = {
    "config_id": pl.Int64(),
    "what": pl.String(),  # of Lacking
}


@dataclass(frozen=True)
class DigestRows:
    """A digest without its words."""

    accounts: pl.DataFrame
    to_do: pl.DataFrame = field(default_factory=lambda: empty(TO_DO))
    moved: pl.DataFrame = field(default_factory=lambda: empty(MOVED))
    incidents: pl.DataFrame = field(default_factory=lambda: empty(TOLD_INCIDENTS))
    pacing: pl.DataFrame = field(default_factory=lambda: empty(PACED))
    lacks: pl.DataFrame = field(default_factory=lambda: empty(LACKS))
