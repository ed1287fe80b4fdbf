"""Synthetic accounts as the pure packages are given them, with the truth behind. Measured elsewhere."""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import polars as pl

from ml_assets.entities import LEVELS
from ml_assets.entity_metrics import conform_insights
from ml_assets.features import FeatureInputs
from ml_assets.frames import ACCOUNTS, fill_missing
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource
from ml_assets.storage.development import lead_development, lead_revisions

END = dt.date(2026, 6, 30)
"""Last day of every account."""

KEY = ["config_id", "entity_type", "entity_id", "date", "window_days"]


@dataclass(frozen=True)
class Account:
    """An account as it was known on the morning after `END`, and what is true of it."""

    inputs: FeatureInputs
    revisions: pl.DataFrame
    """LEAD_REVISIONS: what its leads were on past mornings."""
    source: SyntheticSource


def make_account(seed: int, **config: object) -> Account:
    """A synthetic account read once a day up to the morning after its last day."""
    source = SyntheticSource(SyntheticConfig.from_mapping({"seed": seed, "end": END, **config}))
    return Account(inputs_as_of(source, END), revisions_as_of(source, END), source)


def inputs_as_of(source: SyntheticSource, date: dt.date) -> FeatureInputs:
    """What was known of days up to `date` on the morning after it; the account is number 1."""
    known_at = _morning_after(source, date)
    accounts = _accounts(source)
    described = source.entities(known_at)
    versions = _versions(source, date)
    current = versions.sort("known_at").unique(KEY, keep="last", maintain_order=True)
    entities = described.entities.with_columns(config_id=pl.lit(1, pl.Int64))
    return FeatureInputs(
        accounts=accounts,
        entities=entities,
        versions=described.entity_versions.with_columns(config_id=pl.lit(1, pl.Int64)),
        metrics=conform_insights(current, entities),
        development=lead_development(versions.filter(pl.col("window_days") == 1), accounts),
    )


def revisions_as_of(source: SyntheticSource, date: dt.date) -> pl.DataFrame:
    """LEAD_REVISIONS of days up to `date` as known on the morning after it."""
    entities = source.entities(_morning_after(source, date)).entities.with_columns(
        config_id=pl.lit(1, pl.Int64)
    )
    daily = _versions(source, date).filter(pl.col("window_days") == 1)
    return lead_revisions(daily, _accounts(source), entities)


def _morning_after(source: SyntheticSource, date: dt.date) -> dt.datetime:
    config = source.config
    morning = dt.time(config.sync_hour, tzinfo=ZoneInfo(config.timezone))
    return dt.datetime.combine(date + dt.timedelta(days=1), morning)


def _versions(source: SyntheticSource, date: dt.date) -> pl.DataFrame:
    known_at = _morning_after(source, date)
    return source.insights(LEVELS, source.config.first_day, date, known_at).insights.with_columns(
        config_id=pl.lit(1, pl.Int64)
    )


def _accounts(source: SyntheticSource) -> pl.DataFrame:
    info = source.account()
    return fill_missing(
        pl.DataFrame(
            {
                "config_id": [1],
                "account_id": [info.account_id],
                "timezone": [info.timezone],
                "currency": [info.currency],
                "target_cpl": [info.target_cpl],
                "monthly_budget": [info.monthly_budget],
                "is_active": [True],
            },
            schema_overrides={"target_cpl": pl.Float64, "monthly_budget": pl.Float64},
        ),
        ACCOUNTS,
    )
