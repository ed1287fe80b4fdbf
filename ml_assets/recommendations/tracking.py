"""Whether an account's leads stopped being counted: an account-wide break makes everything look too dear.

Only this one case is looked at, since acting on it would pause a whole account. What breaks at single
entities, and what else may be wrong with the figures, comes as `SUSPENSIONS`.
"""

from dataclasses import replace

import numpy as np
from scipy.special import pdtr

from ml_assets.entities import EntityType
from ml_assets.features.dispersion import count_dispersion
from ml_assets.features.estimates import ESTIMATE_DAYS, TreeEstimates
from ml_assets.features.grid import FloatArray

RECENT = 3
"""Days whose leads are compared with those of the `BASE` days before."""

BASE = 28
LEAST_EXPECTED = 12.0
"""Expected leads of the recent days under which nothing is said."""

TAIL = 1e-4
"""P(so few leads) at most."""

MOST_LEFT = 0.25
"""Share of the expected leads that still came, at most: tracking breaks, demand wanes."""

CLICKS_LEFT = 0.5
"""Share of the clicks the spend would have brought, at least: people still click."""


def tracking_broke(known: TreeEstimates) -> np.ndarray:
    """Where leads of the account broke within the window of the estimate: (accounts, dates).

    So few leads given the spend, by a Poisson tail widened by the dispersion, while people click as before.
    A break counts as long as its days are among those that an estimate rests on.
    """
    level, at = known.levels[EntityType.CAMPAIGN].level.where_known("leads"), known.at
    days = np.unique(at[:, None] - RECENT - np.arange(ESTIMATE_DAYS))
    if level.late is not None:
        level = replace(level, late=replace(level.late, total=days.size))
    # From before the break, which is no part of how leads vary.
    usual = count_dispersion(level, days, "leads", "spend", known.tree.start.isoweekday())
    widening = [usual[:, np.searchsorted(days, at - RECENT - back)] for back in range(ESTIMATE_DAYS)]
    return np.logical_or.reduce([_broke_before(known, back, wide) for back, wide in enumerate(widening)])


def _broke_before(known: TreeEstimates, back: int, widening: FloatArray) -> np.ndarray:
    """Where the `RECENT` days that ended `back` days before each date had lost their leads."""
    own, at = known.levels[EntityType.CAMPAIGN], known.at
    level = own.level.where_known("leads")
    seeks = own.seeks_leads[:, None]

    def total(name: str, days: int, shift: int) -> FloatArray:
        window = np.nan_to_num(level.window(name, at, days, shift + back))
        return level.account.total(np.where(seeks, window, 0.0))

    leads, spend, clicks = (total(name, RECENT, 0) for name in ("leads", "spend", "clicks"))
    base_leads, base_spend, base_clicks = (total(name, BASE, RECENT) for name in ("leads", "spend", "clicks"))
    visible = np.mean([known.maturity.visible(back + lag) for lag in range(RECENT)], axis=0)
    share = np.divide(spend, base_spend, out=np.zeros_like(spend), where=base_spend > 0)
    expected = base_leads * share * visible
    few = pdtr(np.floor(leads / widening), expected / widening) <= TAIL
    clicked = (base_clicks <= 0) | (clicks >= CLICKS_LEFT * base_clicks * share)
    return (expected >= LEAST_EXPECTED) & (leads <= MOST_LEFT * expected) & few & clicked
