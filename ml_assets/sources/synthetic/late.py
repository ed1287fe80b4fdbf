"""When figures become visible: leads that arrive late, leads taken back, spend refunded.

A day is read every morning for 28 days, so a figure has an age: the days from its own to the reading.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.sources.synthetic.config import MAX_AGE_DAYS, SyntheticConfig
from ml_assets.sources.synthetic.delivery import Cells
from ml_assets.sources.synthetic.tree import Tree

REMOVAL_PROBABILITY = 0.25
"""Of a spam lead, per reading after the first that shows it."""


@dataclass(frozen=True)
class Events:
    """Changes of the figures of ad days (or of residual campaign days), flat arrays.

    The first reading of a day is its event of age 1.
    """

    entity: np.ndarray
    day: np.ndarray
    age: np.ndarray
    cents: np.ndarray
    impressions: np.ndarray
    clicks: np.ndarray
    link_clicks: np.ndarray
    leads: np.ndarray
    onsite_leads: np.ndarray

    FIGURES = ("cents", "impressions", "clicks", "link_clicks", "leads", "onsite_leads")


def arrival_curve(config: SyntheticConfig) -> np.ndarray:
    """Share of a day's leads that have arrived k days later, k = 0..28; 1 at the end."""
    age = np.arange(MAX_AGE_DAYS + 1)
    late = np.exp(-((age / config.late_scale_days) ** config.late_shape))
    curve = 1.0 - (1.0 - config.same_day_lead_share) * late
    curve[-1] = 1.0
    return curve


def visible_curve(config: SyntheticConfig) -> np.ndarray:
    """True c(k), k = 0..28: expected visible leads / final leads, spam while it shows included."""
    arrived = arrival_curve(config)
    # A spam lead is drawn among those first read at age a < 28 and is gone by a geometric age, at most 28.
    first = np.diff(_seen(arrived), prepend=0.0)[:MAX_AGE_DAYS]
    age = np.arange(MAX_AGE_DAYS + 1)
    since = age - np.arange(MAX_AGE_DAYS)[:, None]
    shown = np.where(
        (since >= 0) & (age < MAX_AGE_DAYS), (1 - REMOVAL_PROBABILITY) ** np.maximum(since, 0), 0.0
    )
    spam = config.removed_lead_share * (first[:, None] * shown).sum(axis=0)
    spam[0] = spam[1] * arrived[0] / arrived[1]
    return arrived + spam


def _seen(arrived: np.ndarray) -> np.ndarray:
    """Share read by age k: nothing before the first reading at age 1."""
    return np.where(np.arange(len(arrived)) >= 1, arrived, 0.0)


def _ages(rng: np.random.Generator, config: SyntheticConfig, count: int) -> np.ndarray:
    """Age of the first reading that shows each lead, 1..28."""
    age = np.searchsorted(arrival_curve(config), rng.random(count), side="right")
    return np.clip(age, 1, MAX_AGE_DAYS)


def draw_events(config: SyntheticConfig, tree: Tree, cells: Cells) -> Events:
    """Every reading that changed a figure of an ad day, first readings included."""
    rng = config.rng("late")
    rows = len(cells.ad)
    # Instant forms, a website, or both: how a campaign's leads come in.
    onsite_share = rng.choice([1.0, 0.0, 0.5], size=config.campaigns, p=[0.5, 0.3, 0.2])

    lead_cell = np.repeat(np.arange(rows), cells.leads)
    lead_age = _ages(rng, config, len(lead_cell))
    spam_cell = np.repeat(np.arange(rows), rng.poisson(config.removed_lead_share * cells.expected_leads))
    spam_age = _ages(rng, config, len(spam_cell))
    gone_age = np.minimum(spam_age + rng.geometric(REMOVAL_PROBABILITY, len(spam_cell)), MAX_AGE_DAYS)
    refunded = np.flatnonzero(rng.random(rows) < config.refunded_share)
    refund = np.floor(cells.cents[refunded] * rng.uniform(0.01, 0.05, len(refunded))).astype(np.int64)
    refund_age = rng.integers(3, 21, len(refunded))

    cell = np.concatenate([np.arange(rows), lead_cell, spam_cell, spam_cell, refunded])
    age = np.concatenate([np.ones(rows, np.int64), lead_age, spam_age, gone_age, refund_age])
    start = np.cumsum([0, rows, len(lead_cell), len(spam_cell), len(spam_cell), len(refunded)])
    leads = np.zeros(len(cell), dtype=np.int64)
    leads[start[1] : start[3]] = 1
    leads[start[3] : start[4]] = -1
    by_cell = rng.random(len(cell)) < onsite_share[tree.ads.campaign[cells.ad[cell]]]
    by_cell[start[3] : start[4]] = by_cell[start[2] : start[3]]  # a lead goes the way it came

    def base(values: np.ndarray) -> np.ndarray:
        figure = np.zeros(len(cell), dtype=np.int64)
        figure[:rows] = values
        return figure

    cents = base(cells.cents)
    cents[refunded] += refund
    cents[start[4] :] = -refund
    return Events(
        entity=cells.ad[cell],
        day=cells.day[cell],
        age=age,
        cents=cents,
        impressions=base(cells.impressions),
        clicks=base(cells.clicks),
        link_clicks=base(cells.link_clicks),
        leads=leads,
        onsite_leads=leads * by_cell,
    )


def settled_events(cells: Cells) -> Events:
    """Events of cells whose first reading is final, all their leads off-Meta."""
    return Events(
        entity=cells.ad,
        day=cells.day,
        age=np.ones(len(cells.ad), dtype=np.int64),
        cents=cells.cents,
        impressions=cells.impressions,
        clicks=cells.clicks,
        link_clicks=cells.link_clicks,
        leads=cells.leads,
        onsite_leads=np.zeros(len(cells.ad), dtype=np.int64),
    )
