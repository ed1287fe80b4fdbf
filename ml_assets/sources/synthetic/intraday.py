"""The day while it runs: hourly versions with figures so far, by the hour's share of the weekday.

Leads that come in outside Meta are not reported within the day, nor is reach. The rows of a day do not
depend on which other days are asked for.
"""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.sources.synthetic.config import SyntheticConfig
from ml_assets.sources.synthetic.delivery import Cells
from ml_assets.sources.synthetic.late import Events, arrival_curve
from ml_assets.sources.synthetic.management import Management
from ml_assets.sources.synthetic.tree import Tree, sum_children

# Delivery per local hour, 0-23, relative.
WORKDAY = np.array([
    1.2, 0.7, 0.4, 0.3, 0.3, 0.5, 1.2, 2.2, 3.0, 3.6, 4.0, 4.6,
    5.4, 5.0, 4.4, 4.2, 4.2, 4.6, 5.4, 6.2, 6.6, 6.2, 4.6, 2.6,
])  # fmt: skip
WEEKEND = np.array([
    1.8, 1.2, 0.8, 0.5, 0.4, 0.4, 0.7, 1.2, 2.0, 3.0, 4.0, 4.6,
    4.8, 4.6, 4.6, 4.8, 5.0, 5.2, 5.4, 5.8, 6.0, 5.6, 4.4, 3.0,
])  # fmt: skip
SATURDAY = 5
PACE_NOISE = 0.1
"""Deviation of the log exponent by which an ad's day runs ahead of or behind the curve."""

READ_BEFORE_THE_HOUR = dt.timedelta(minutes=1)
"""The last reading of a day is still on that day: its age is 0."""

FIGURES = ("cents", "impressions", "clicks", "link_clicks", "leads")


def hour_ends(config: SyntheticConfig, date: dt.date) -> tuple[np.ndarray, np.ndarray]:
    """UTC instants of the readings of a day, and the expected share of the day delivered by then.

    A day has as many readings as hours: 23 or 25 when the clock is turned.
    """
    zone = ZoneInfo(config.timezone)
    start, end = (
        dt.datetime.combine(day, dt.time(), tzinfo=zone).astimezone(dt.UTC)
        for day in (date, date + dt.timedelta(days=1))
    )
    count = round((end - start) / dt.timedelta(hours=1))
    begins = [start + dt.timedelta(hours=hour) for hour in range(count)]
    local = np.array([begin.astimezone(zone).hour for begin in begins])
    weight = (WEEKEND if date.weekday() >= SATURDAY else WORKDAY)[local]
    readings = np.array(
        [(b + dt.timedelta(hours=1) - READ_BEFORE_THE_HOUR).replace(tzinfo=None) for b in begins],
        dtype="datetime64[us]",
    )
    return readings, np.cumsum(weight) / weight.sum()


def _share(
    rng: np.random.Generator, curve: np.ndarray, tree: Tree, management: Management, ad: np.ndarray, day: int
) -> np.ndarray:
    """Share of its day each ad has delivered by each reading, [ads with delivery, readings]."""
    hour = np.minimum(management.hour[tree.ads.campaign[ad], day], len(curve)) - 1
    is_part = management.fraction[ad, day] < 1.0
    ends_live = management.effective[EntityType.AD][ad, day] == 0
    low = np.where(is_part & ends_live, curve[hour], 0.0)[:, None]
    high = np.where(is_part & ~ends_live, curve[hour], 1.0)[:, None]
    pace = np.exp(rng.normal(0.0, PACE_NOISE, len(ad)))[:, None]
    return np.clip((curve - low) / (high - low), 0.0, 1.0) ** pace


def _so_far(
    config: SyntheticConfig, tree: Tree, management: Management, cells: Cells, events: Events, day: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Readings of a day and the figures of all ads at each, [ads, readings]."""
    readings, curve = hour_ends(config, config.first_day + dt.timedelta(days=day))
    rng = config.rng(f"intraday {day}")
    # The first events of the list are the first readings of the cells, one each.
    rows = np.flatnonzero(cells.day == day)
    share = _share(rng, curve, tree, management, cells.ad[rows], day)
    figures: dict[str, np.ndarray] = {}
    for name in FIGURES[:-1]:
        figures[name] = np.zeros((config.ads, len(readings)), dtype=np.int64)
        figures[name][cells.ad[rows]] = np.floor(getattr(events, name)[rows][:, None] * share + 1e-9)

    of_day = (events.day == day) & (events.age == 1) & (events.onsite_leads > 0)
    arrived = arrival_curve(config)
    seen = np.flatnonzero(of_day)
    seen = seen[rng.random(len(seen)) < arrived[0] / arrived[1]]
    row = np.searchsorted(cells.ad[rows], events.entity[seen])
    reading = (share[row] < rng.random(len(seen))[:, None]).sum(axis=1)
    leads = np.zeros((config.ads, len(readings)), dtype=np.int64)
    np.add.at(leads, (events.entity[seen], np.minimum(reading, len(readings) - 1)), 1)
    figures["leads"] = np.cumsum(leads, axis=1)
    return readings, figures


def intraday_rows(
    config: SyntheticConfig,
    tree: Tree,
    management: Management,
    cells: Cells,
    events: Events,
    day: int,
) -> dict[EntityType, pl.DataFrame]:
    """Hourly versions of one day per level; a row only where a figure changed. Residuals are left out."""
    readings, figures = _so_far(config, tree, management, cells, events, day)
    date = config.first_day + dt.timedelta(days=day)
    frames: dict[EntityType, pl.DataFrame] = {}
    for level in reversed(LEVELS):
        if level.child is not None:
            parent = tree.levels[level.child].parent
            figures = {name: sum_children(values, parent) for name, values in figures.items()}
        changed = np.any([np.diff(values, axis=1, prepend=0) != 0 for values in figures.values()], axis=0)
        entity, reading = np.nonzero(changed & (figures["impressions"] > 0))
        at = {name: values[entity, reading] for name, values in figures.items()}
        frames[level] = pl.DataFrame(
            {
                "entity_id": tree.levels[level].ids.gather(entity),
                "date": pl.repeat(date, len(entity), dtype=pl.Date(), eager=True),
                "window_days": np.ones(len(entity), dtype=np.int64),
                "known_at": readings[reading],
                "spend": at["cents"] / 100.0,
                "impressions": at["impressions"],
                "reach": pl.repeat(None, len(entity), dtype=pl.Int64(), eager=True),
                "frequency": pl.repeat(None, len(entity), dtype=pl.Float64(), eager=True),
                "clicks": at["clicks"],
                "link_clicks": at["link_clicks"],
                "leads": at["leads"],
                "onsite_leads": at["leads"],
            }
        )
    return frames
