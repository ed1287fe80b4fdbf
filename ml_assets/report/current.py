"""What forecasts are made from, read as the assets read it: figures of one account up to a day.

Checks and conforming are those of the asset `entity_metrics`, so that nothing has to be materialized first.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.entity_metrics import conform_insights, newest_readings
from ml_assets.errors import NotReadyError
from ml_assets.features.inputs import FeatureInputs
from ml_assets.forecasts.forecast import forecast_tree
from ml_assets.forecasts.inputs import LOOKBACK_DAYS, ForecastInputs
from ml_assets.forecasts.pacing import days_left, pace
from ml_assets.frames import ENTITY_METRICS, conform
from ml_assets.report.pacing import named_rows
from ml_assets.sources.checks import check_insights, check_parents
from ml_assets.storage.development import read_lead_development, read_lead_revisions
from ml_assets.storage.overview import read_reach
from ml_assets.storage.reads import read_entities, read_entity_versions, read_insights
from ml_assets.storage.tables import AdsInsight


def newest_finished_day(connection: sa.Connection, account: dict[str, Any]) -> dt.date:
    """The newest day with figures of the account that is over where it is. NotReadyError where none is."""
    newest = read_reach(connection, AdsInsight, [account["config_id"]])["last_date"].max()
    if not isinstance(newest, dt.date):
        raise NotReadyError(
            f"{account['name'] or account['account_id']} has no figures yet: `ml-assets ingest export FILE` "
            "loads some."
        )
    today = dt.datetime.now(ZoneInfo(account["timezone"] or "UTC")).date()
    return min(newest, today - dt.timedelta(days=1))


def chosen_day(connection: sa.Connection, account: dict[str, Any], asked: dt.date | None) -> dt.date:
    """`asked`, or the newest day. NotReadyError where `asked` is later than that."""
    newest = newest_finished_day(connection, account)
    if asked is not None and asked > newest:
        raise NotReadyError(
            f"The figures of {account['name'] or account['account_id']} reach to {newest}: give --date up to "
            "that, or load newer ones."
        )
    return asked or newest


def read_forecast_inputs(connection: sa.Connection, account: pl.DataFrame, date: dt.date) -> ForecastInputs:
    """What the forecasts of the account (one row of ACCOUNTS) on `date` are made from.

    Raises NotReadyError where it has no figures of the days up to `date`.
    """
    ids = account["config_id"].to_list()
    start = date - dt.timedelta(days=LOOKBACK_DAYS)
    now = dt.datetime.now(dt.UTC)
    entities = read_entities(connection, LEVELS, ids)
    insights = read_insights(connection, start, date, LEVELS, ids)
    placed = check_parents(entities, source="ads_insights", rejected_at=now).kept
    campaigns = insights.filter(pl.col("entity_type") == EntityType.CAMPAIGN.value)
    key = ["entity_type", "entity_id"]
    known = pl.concat([placed.select(key), campaigns.select(key)]).unique()
    kept = check_insights(insights, source="ads_insights", now=now, entities=known).kept
    if kept.is_empty():
        name = account["name"].item() or account["account_id"].item()
        raise NotReadyError(f"{name} has no figures of {start} to {date}; `ml-assets doctor` says more.")
    readings = newest_readings(kept.filter(pl.col("window_days") == 1))
    metrics = (
        conform_insights(kept, placed)
        .drop("known_at")
        .join(readings, on=["config_id", "entity_type", "date"], how="left", maintain_order="left")
    )
    figures = FeatureInputs(
        accounts=account,
        entities=entities,
        versions=read_entity_versions(connection, ids),
        metrics=conform(metrics, ENTITY_METRICS, "entity metrics"),
        development=read_lead_development(connection, start, date, ids),
    )
    return ForecastInputs(figures, read_lead_revisions(connection, start, date, ids, entities))


def read_pacing(
    connection: sa.Connection, account: pl.DataFrame, asked: dt.date | None, steps: Sequence[str]
) -> pl.DataFrame:
    """The month to date of the account (one row of ACCOUNTS) and where it lands, as `named_rows` gives it.

    After the day `asked`, by default the newest that is over. The rest of the month is forecast anew, which
    takes about a second for some hundred entities; nothing is stored. Raises NotReadyError where the account
    has no figures, or none of that day yet.
    """
    day = chosen_day(connection, account.row(0, named=True), asked)
    inputs = read_forecast_inputs(connection, account, day)
    made = forecast_tree(inputs, day, max(days_left(day), 1))
    return named_rows(pace(made, inputs, steps), inputs.figures.entities, account)
