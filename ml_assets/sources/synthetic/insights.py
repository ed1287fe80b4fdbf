"""The insights of the synthetic account as rows: every version of every day at every level."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.frames import INSIGHTS, conform
from ml_assets.sources.synthetic.config import MAX_AGE_DAYS, SyntheticConfig
from ml_assets.sources.synthetic.late import Events
from ml_assets.sources.synthetic.reach import WEEK, Reach
from ml_assets.sources.synthetic.tree import Level

AGE_BITS = 5
"""An age of at most 28 days fits in the low bits of a row's key."""


def sync_instants(config: SyntheticConfig) -> np.ndarray:
    """UTC instant of the reading on day 0, 1, ... and 28 days beyond the last, datetime64[us]."""
    zone = ZoneInfo(config.timezone)
    morning = dt.time(config.sync_hour, tzinfo=zone)
    return np.array(
        [
            dt.datetime.combine(config.first_day + dt.timedelta(days=day), morning)
            .astimezone(dt.UTC)
            .replace(tzinfo=None)
            for day in range(config.days + MAX_AGE_DAYS + 1)
        ],
        dtype="datetime64[us]",
    )


def _cumulative(days: int, events: Events) -> dict[str, np.ndarray]:
    """Figures as read at each (entity, day, age) at which one changed, sorted by that key."""
    key = ((events.entity * days + events.day) << AGE_BITS) | events.age
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    key = key[first]
    cell = key >> AGE_BITS
    opens = np.r_[True, cell[1:] != cell[:-1]]
    group = np.cumsum(opens) - 1
    figures: dict[str, np.ndarray] = {}
    changed = opens.copy()
    for name in Events.FIGURES:
        change = np.add.reduceat(getattr(events, name)[order], first)
        changed |= change != 0
        total = np.cumsum(change)
        before = (total - change)[opens]
        figures[name] = total - before[group]
    figures |= {"entity": cell // days, "day": cell % days, "age": key & (2**AGE_BITS - 1)}
    return {name: values[changed] for name, values in figures.items()}


def day_rows(
    config: SyntheticConfig, level: Level, events: Events, reach: Reach, instants: np.ndarray
) -> pl.DataFrame:
    """Rows with window_days = 1, every version, sorted by entity, date and known_at.

    `events` are of this level: their `entity` is the index of the entity. Beside the columns of a row
    it holds `onsite_leads`, of which `actions` is made at delivery.
    """
    figures = _cumulative(config.days, events)
    entity, day = figures["entity"], figures["day"]
    return pl.DataFrame(
        {
            "entity_id": level.ids.gather(entity),
            "date": config.dates()[day],
            "window_days": np.ones(len(entity), dtype=np.int64),
            "known_at": instants[day + figures["age"]],
            "spend": figures["cents"] / 100.0,
            "impressions": figures["impressions"],
            "reach": reach.reach[entity, day],
            "frequency": figures["impressions"] / reach.reach[entity, day],
            "clicks": figures["clicks"],
            "link_clicks": figures["link_clicks"],
            "leads": figures["leads"],
            "onsite_leads": figures["onsite_leads"],
        }
    )


def week_rows(config: SyntheticConfig, level: Level, reach: Reach, instants: np.ndarray) -> pl.DataFrame:
    """Rows with window_days = 7: impressions, reach and frequency of [date-6, date], nothing that adds up.

    There is one for every date whose seven days lie in the period and had impressions.
    """
    entity, day = np.nonzero(reach.impressions_7d[:, WEEK - 1 :])
    day = day + WEEK - 1
    impressions, people = reach.impressions_7d[entity, day], reach.reach_7d[entity, day]
    nothing = pl.lit(None, dtype=pl.Int64())
    return pl.DataFrame(
        {
            "entity_id": level.ids.gather(entity),
            "date": config.dates()[day],
            "window_days": np.full(len(entity), WEEK, dtype=np.int64),
            "known_at": instants[day + 1],
            "impressions": impressions,
            "reach": people,
            "frequency": impressions / people,
        }
    ).with_columns(
        spend=nothing.cast(pl.Float64()),
        clicks=nothing,
        link_clicks=nothing,
        leads=nothing,
        onsite_leads=nothing,
    )


def _action(action_type: str, value: pl.Expr) -> pl.Expr:
    return pl.when(value > 0).then(
        pl.format('{{"action_type":"{}","value":"{}"}}', pl.lit(action_type), value)
    )


def delivered(rows: pl.DataFrame, entity_type: EntityType) -> pl.DataFrame:
    """Rows in the schema of insights, with `actions` as Meta words them.

    The list is hierarchical: `lead` holds the on-Meta and the pixel leads that follow it. Action types
    without a count are absent, as Meta leaves them out.
    """
    leads, onsite = pl.col("leads"), pl.col("onsite_leads")
    actions = pl.concat_str(
        _action("link_click", pl.col("link_clicks")),
        _action("lead", leads),
        _action("onsite_conversion.lead_grouped", onsite),
        _action("offsite_conversion.fb_pixel_lead", leads - onsite),
        separator=",",
        ignore_nulls=True,
    )
    return conform(
        rows.with_columns(
            config_id=pl.lit(None, dtype=pl.Int64()),
            entity_type=pl.lit(entity_type.value),
            known_at=pl.col("known_at").dt.replace_time_zone("UTC"),
            actions=pl.when(leads.is_not_null()).then(pl.format("[{}]", actions)),
        ),
        INSIGHTS,
        "insights",
    )
