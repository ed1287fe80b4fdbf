"""What share of its daily budget each entity of a tree spent lately."""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from ml_assets.entities import EntityType
from ml_assets.features.grid import FloatArray
from ml_assets.features.history import level_history
from ml_assets.forecasts.forecast import TreeForecast
from ml_assets.forecasts.inputs import ForecastInputs
from ml_assets.forecasts.tree import ACCOUNT, Step

RECENT_DAYS = 14
"""Days, the forecast date included, that say what is spent lately."""

LEAST_DAYS = 3
"""Active days with a known budget that a share needs."""


@dataclass(frozen=True)
class BudgetUse:
    """Of all nodes of a tree, in the order of `TreeForecast.mean`."""

    daily_budget: FloatArray
    """(nodes,): at the end of the forecast date, in money a day; NaN where unknown or not a daily one."""
    share_spent: FloatArray
    """(nodes,): of the budgets of the last active days, at most 1; NaN where too few are known."""
    recent_spend: FloatArray
    """(nodes,): mean spend of the last active days; 0 where there is none."""
    is_active: np.ndarray
    """(nodes,): at the end of the forecast date."""


def budget_use(forecast: TreeForecast, inputs: ForecastInputs) -> BudgetUse:
    """Budgets as they were set on each of the last `RECENT_DAYS` days, and what was spent of them.

    The budget of an entity without one of its own is that of its active children together, known where all of
    theirs are; an ad and what is unattributed have none.
    """
    steps = forecast.tree.steps
    last = slice(-RECENT_DAYS, None)
    budgets = [_own(step, forecast.tree.date, inputs) for step in steps]
    for index in range(len(steps) - 2, -1, -1):
        below, child = steps[index + 1], budgets[index + 1]
        asked = below.is_active[:, last] & ~below.is_unattributed[:, None]
        total = below.parent.total(np.where(asked, np.nan_to_num(child), 0.0))
        known = (below.parent.total(asked) > 0) & (below.parent.total(asked & np.isnan(child)) == 0)
        own = budgets[index]
        budgets[index] = np.where(np.isnan(own) & known, total, own)
    budget = np.concatenate(budgets)
    active = np.concatenate([step.is_active[:, last] for step in steps])
    began = np.concatenate([step.first for step in steps])
    days = forecast.tree.days - RECENT_DAYS + np.arange(RECENT_DAYS)
    runs = active & (days >= began[:, None])
    spend = np.nan_to_num(np.concatenate([step.values["spend"][:, last] for step in steps]))
    counted = runs & np.isfinite(budget)
    planned = np.where(counted, budget, 0.0).sum(axis=1)
    spent = np.where(counted, spend, 0.0).sum(axis=1)
    share = np.full(planned.shape, np.nan)
    np.divide(spent, planned, out=share, where=(counted.sum(axis=1) >= LEAST_DAYS) & (planned > 0))
    return BudgetUse(
        daily_budget=np.where(active[:, -1], budget[:, -1], np.nan),
        share_spent=np.minimum(share, 1.0),
        recent_spend=np.where(runs, spend, 0.0).sum(axis=1) / np.maximum(runs.sum(axis=1), 1),
        is_active=active[:, -1],
    )


def _own(step: Step, date: dt.date, inputs: ForecastInputs) -> FloatArray:
    """Daily budgets that an entity owns on the last days: (nodes, `RECENT_DAYS`); NaN where it owns none."""
    found = np.full((step.height, RECENT_DAYS), np.nan)
    if step.name in (ACCOUNT, EntityType.AD.value):
        return found
    rows = np.flatnonzero(~step.is_unattributed)
    dates = [date - dt.timedelta(days=back) for back in range(RECENT_DAYS - 1, -1, -1)]
    figures = inputs.figures
    history = level_history(
        figures.entities,
        figures.versions,
        figures.accounts,
        EntityType(step.name),
        step.keys[rows].select("config_id", "entity_id"),
        dates,
    )
    budget = history.budget("daily_budget")
    found[rows] = np.where(budget > 0, budget, np.nan)
    return found
