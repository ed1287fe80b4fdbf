"""Small accounts made by hand: rows of insights, their entities, and the frames features are made of."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from ml_assets.entities import EntityType
from ml_assets.entity_metrics import conform_insights
from ml_assets.features import FeatureInputs, compute_features
from ml_assets.frames import (
    ACCOUNTS,
    ENTITIES,
    ENTITY_VERSIONS,
    INSIGHTS,
    LEAD_DEVELOPMENT,
    Schema,
    fill_missing,
)

D = dt.date(2026, 6, 24)
"""The date most tests judge: a Wednesday."""

LONG_AGO = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
"""Read so late that no lead is still to come: maturity is 1."""

Row = dict[str, Any]


def day(back: int) -> dt.date:
    """`back` days before `D`; negative lies after it."""
    return D - dt.timedelta(days=back)


def frame(rows: Iterable[Mapping[str, Any]], schema: Schema) -> pl.DataFrame:
    """Rows in `schema`, missing columns null."""
    rows = list(rows)
    names = {name for row in rows for name in row}
    made = pl.DataFrame(
        rows, schema={name: dtype for name, dtype in schema.items() if name in names}, orient="row"
    )
    return fill_missing(made, schema)


def account(config_id: int = 1, **values: Any) -> Row:
    """An account in UTC with a target CPL of 10."""
    return {
        "config_id": config_id,
        "account_id": f"act_{config_id}",
        "timezone": "UTC",
        "target_cpl": 10.0,
        "is_active": True,
        **values,
    }


def campaign(entity_id: str, config_id: int = 1, **values: Any) -> Row:
    return {
        "config_id": config_id,
        "entity_type": "campaign",
        "entity_id": entity_id,
        "campaign_id": entity_id,
        "effective_status": "ACTIVE",
        **values,
    }


def adset(entity_id: str, campaign_id: str, config_id: int = 1, **values: Any) -> Row:
    return {
        "config_id": config_id,
        "entity_type": "adset",
        "entity_id": entity_id,
        "parent_id": campaign_id,
        "campaign_id": campaign_id,
        "effective_status": "ACTIVE",
        **values,
    }


def ad(entity_id: str, adset_id: str, campaign_id: str, config_id: int = 1, **values: Any) -> Row:
    return {
        "config_id": config_id,
        "entity_type": "ad",
        "entity_id": entity_id,
        "parent_id": adset_id,
        "campaign_id": campaign_id,
        "effective_status": "ACTIVE",
        **values,
    }


def figures(level: str, entity_id: str, date: dt.date, config_id: int = 1, **values: Any) -> Row:
    """One day of insights, ordinary where nothing is said: 20 spent, 1000 seen, 20 clicks, 2 leads."""
    return {
        "config_id": config_id,
        "entity_type": level,
        "entity_id": entity_id,
        "date": date,
        "window_days": 1,
        "known_at": LONG_AGO,
        "spend": 20.0,
        "impressions": 1000,
        "reach": 800,
        "clicks": 20,
        "link_clicks": 15,
        "leads": 2,
        **values,
    }


def every_day(level: str, entity_id: str, backs: Iterable[int], **values: Any) -> list[Row]:
    """The same figures on each of the days `backs` before `D`."""
    return [figures(level, entity_id, day(back), **values) for back in backs]


def feature_inputs(
    entities: Iterable[Row],
    insights: Iterable[Row],
    accounts: Iterable[Row] | None = None,
    versions: Iterable[Row] = (),
    development: Iterable[Row] = (),
) -> FeatureInputs:
    """All that features are computed from; levels without insights are summed from those below."""
    known = frame(entities, ENTITIES)
    return FeatureInputs(
        accounts=frame(accounts or [account()], ACCOUNTS),
        entities=known,
        versions=frame(versions, ENTITY_VERSIONS),
        metrics=conform_insights(frame(insights, INSIGHTS), known),
        development=frame(development, LEAD_DEVELOPMENT),
    )


def features_of(
    inputs: FeatureInputs, level: EntityType | str, dates: Iterable[dt.date] = (D,)
) -> pl.DataFrame:
    return compute_features(inputs, EntityType(level), list(dates))


def row_of(rows: pl.DataFrame, entity_id: str, date: dt.date = D) -> Row:
    """The one row of an entity on a date."""
    return rows.filter(pl.col("entity_id") == entity_id, pl.col("feature_date") == date).row(0, named=True)


def small_tree(config_id: int = 1, ads: int = 3) -> list[Row]:
    """Campaign c1 with adsets s1 and s2 of `ads` ads each: a1, a2, ... under s1, b1, b2, ... under s2."""
    tree = [
        campaign("c1", config_id),
        adset("s1", "c1", config_id),
        adset("s2", "c1", config_id),
    ]
    for number in range(1, ads + 1):
        tree += [
            ad(f"a{number}", "s1", "c1", config_id),
            ad(f"b{number}", "s2", "c1", config_id),
        ]
    return tree
