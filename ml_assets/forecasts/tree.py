"""The daily series of an account and its three levels as of one date, as a tree that adds up.

Four steps: account, campaigns, adsets, ads. Where the children of an entity do not make up its own figures,
or where one of them is too young to be forecast, a child "unattributed" holds the rest. Leads are those that
the morning after the date knew, with the share of the final ones that is (exposure).
"""

import datetime as dt
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.features.activity import activity
from ml_assets.features.grid import (
    FloatArray,
    Groups,
    IntArray,
    LevelGrid,
    TreeGrid,
    as_known_then,
    build_grid,
)
from ml_assets.features.history import LevelHistory
from ml_assets.features.maturity import LAST_AGE, learn_maturity
from ml_assets.forecasts.batch import Batch
from ml_assets.forecasts.budgets import Edits, planned_spend
from ml_assets.forecasts.frames import COUNTS, METRICS, UNATTRIBUTED
from ml_assets.forecasts.inputs import HISTORY_DAYS, ForecastInputs
from ml_assets.metrics import MICROS

ACCOUNT = "account"
"""Name of the step above the campaigns; its nodes are accounts."""

RESIDUAL_DAYS = 28
"""A rest in so many last days makes an unattributed child."""

LEAST_DAYS = 3
"""Days of history with which an entity is forecast; below, its data are insufficient."""

OWN_DAYS = 14
"""Days of history from which on an entity has a shape of its own."""

_TOLERANCE = 0.005
"""Money below half a cent is rounding."""


@dataclass(frozen=True)
class Step:
    """One step of the tree; rows are nodes, the unattributed ones last."""

    name: str
    keys: pl.DataFrame
    """config_id, entity_id, parent_id."""
    parent: Groups
    """Rows of the step above; for accounts one group a row."""
    account: IntArray
    values: dict[str, FloatArray]
    """Metric -> (nodes, days): as delivered, 0 without delivery, NaN where the figure is unknown."""
    is_active: np.ndarray
    """(nodes, days): at the end of the day."""
    first: IntArray
    """(nodes,): column of the first day of delivery; the number of days without any."""
    is_unattributed: np.ndarray
    """(nodes,)"""
    plan: FloatArray
    """(nodes, days): what edits of budgets and status let expect of each day's spend, in units of its own."""

    @property
    def height(self) -> int:
        """How many nodes there are."""
        return self.keys.height

    def says(self, metric: str) -> FloatArray:
        """What a series is learnt from: NaN before it began and on days on which it was switched off."""
        values = self.values[metric]
        days = np.arange(values.shape[1])
        off = ~self.is_active & (self.values["impressions"] == 0) & (self.values["spend"] == 0)
        return np.where((days < self.first[:, None]) | off, np.nan, values)


@dataclass(frozen=True)
class ForecastTree:
    """All steps over the days [start, date]."""

    start: dt.date
    date: dt.date
    accounts: pl.DataFrame
    steps: tuple[Step, ...]
    exposure: FloatArray
    """(accounts, days): share of the final leads that the date's next morning knew."""

    @property
    def days(self) -> int:
        """How many days there are: the first column that is forecast."""
        return (self.date - self.start).days + 1

    @property
    def heights(self) -> list[int]:
        """Nodes of each step."""
        return [step.height for step in self.steps]

    def split(self, values: np.ndarray, axis: int = 0) -> list[np.ndarray]:
        """Rows of all steps, one after the other as in `batch`, step by step."""
        return np.split(values, np.cumsum(self.heights)[:-1], axis=axis)

    @cached_property
    def plan(self) -> FloatArray:
        """`Step.plan` of all nodes: (nodes, days)."""
        return np.concatenate([step.plan for step in self.steps])

    def batch(self, metric: str) -> Batch:
        """All nodes of all steps as series, the parents' rows first."""
        offsets = np.concatenate([[0], np.cumsum(self.heights)])
        parents = [np.arange(self.heights[0])]
        for index, step in enumerate(self.steps[1:]):
            parents.append(offsets[index] + step.parent.index)
        account = np.concatenate([step.account for step in self.steps])
        return Batch(
            start=self.start,
            values=np.concatenate([step.says(metric) for step in self.steps]),
            is_count=metric in COUNTS,
            exposure=self.exposure[account] if metric == "leads" else None,
            parent=np.concatenate(parents),
        )


def build_tree(inputs: ForecastInputs, date: dt.date) -> ForecastTree:
    """The tree as of `date`: nothing of later days enters, whatever `inputs` hold."""
    figures = inputs.figures
    start = date - dt.timedelta(days=HISTORY_DAYS - 1)
    dates = [start + dt.timedelta(days=offset) for offset in range(HISTORY_DAYS)]
    grid = build_grid(
        figures.metrics, figures.entities, figures.versions, figures.accounts, EntityType.AD, start, date
    )
    at = np.array([HISTORY_DAYS - 1])
    grid = as_known_then(grid, inputs.revisions, at.size)
    campaigns = figures.metrics.filter(
        pl.col("entity_type") == EntityType.CAMPAIGN.value, pl.col("date").is_between(start, date)
    )
    maturity = learn_maturity(grid, campaigns, figures.development, at)
    if grid.read_then is not None:
        maturity = maturity.read_next_morning(grid.read_then)
    exposure = np.ones((grid.accounts.height, HISTORY_DAYS))
    for lag in range(LAST_AGE + 1):
        exposure[:, -1 - lag] = maturity.visible(lag)[:, 0]
    levels = list(activity(grid, figures, dates))
    steps = [_step(on.level, on.is_active) for on in levels]
    account = _account_step(grid, steps[0])
    plans = planned_spend(
        [_edits(account, None), *(_edits(step, on.history) for step, on in zip(steps, levels, strict=True))]
    )
    tree = [replace(account, plan=plans[0])]
    for step, plan in zip(steps, plans[1:], strict=True):
        tree.append(_with_unattributed(replace(step, plan=plan), tree[-1]))
    return ForecastTree(start=start, date=date, accounts=grid.accounts, steps=tuple(tree), exposure=exposure)


def _step(level: LevelGrid, is_active: np.ndarray) -> Step:
    values = {name: level.values[name].astype(np.float64) for name in METRICS}
    values["spend"] /= MICROS
    if level.late is not None:
        late = level.late
        days = values["leads"].shape[1]
        unknown_then = (late.known >= days) & (late.day >= 0) & (late.day < days)
        place = late.row[unknown_then], late.day[unknown_then]
        np.subtract.at(values["leads"], place, late.leads[unknown_then])
        np.maximum(values["leads"], 0.0, out=values["leads"])
    for name, unknown in level.unknown.items():
        if name in values:
            values[name][unknown] = np.nan
    return Step(
        name=level.entity_type.value,
        keys=level.keys.select("config_id", "entity_id", "parent_id"),
        parent=level.parent,
        account=level.account.index,
        values=values,
        is_active=is_active,
        first=_first_delivery(values),
        is_unattributed=np.zeros(level.keys.height, dtype=bool),
        plan=np.ones(is_active.shape),
    )


def _first_delivery(values: dict[str, FloatArray]) -> IntArray:
    delivered = (np.nan_to_num(values["impressions"]) > 0) | (np.nan_to_num(values["spend"]) > 0)
    return np.where(delivered.any(axis=1), delivered.argmax(axis=1), delivered.shape[1])


def _account_step(grid: TreeGrid, campaigns: Step) -> Step:
    """The account as the sum of its campaigns."""
    groups = campaigns.parent
    values = {name: groups.total(np.nan_to_num(figure)) for name, figure in campaigns.values.items()}
    return Step(
        name=ACCOUNT,
        keys=grid.accounts.select(
            "config_id", entity_id=pl.col("account_id"), parent_id=pl.lit(None, pl.String)
        ),
        parent=Groups(np.arange(grid.accounts.height), grid.accounts.height),
        account=np.arange(grid.accounts.height),
        values=values,
        is_active=groups.total(campaigns.is_active) > 0,
        first=_first_delivery(values),
        is_unattributed=np.zeros(grid.accounts.height, dtype=bool),
        plan=np.ones((grid.accounts.height, grid.days)),
    )


def _with_unattributed(step: Step, above: Step) -> Step:
    """The step with a child for every parent that holds more than its children that can be forecast."""
    step = replace(step, parent=Groups(step.parent.index, above.height))  # it may have gained nodes
    days = above.is_active.shape[1]
    young = (days - step.first < LEAST_DAYS) & (step.first < days)
    old = np.where(young, 0.0, 1.0)[:, None]
    rest: dict[str, FloatArray] = {}
    holds = step.parent.total(young) > 0
    for name, values in step.values.items():
        total = step.parent.total(np.nan_to_num(values) * old)
        rest[name] = np.maximum(np.nan_to_num(above.values[name]) - total, 0.0)
        floor = _TOLERANCE if name == "spend" else 0.5
        holds |= (rest[name][:, -RESIDUAL_DAYS:] > floor).any(axis=1)
    has_children = np.bincount(step.parent.index, minlength=above.height) > 0
    rows = np.flatnonzero(holds & has_children)
    if not rows.size:
        return step
    values = {name: np.concatenate([step.values[name], rest[name][rows]]) for name in rest}
    keys = above.keys[rows].select(
        "config_id", entity_id=UNATTRIBUTED + pl.col("entity_id"), parent_id="entity_id"
    )
    return Step(
        name=step.name,
        keys=pl.concat([step.keys, keys]),
        parent=Groups(np.concatenate([step.parent.index, rows]), above.height),
        account=np.concatenate([step.account, above.account[rows]]),
        values=values,
        is_active=np.concatenate([step.is_active, above.is_active[rows]]),
        first=_first_delivery(values),
        is_unattributed=np.concatenate([step.is_unattributed, np.ones(rows.size, dtype=bool)]),
        plan=np.concatenate([step.plan, above.plan[rows]]),
    )


def _edits(step: Step, history: LevelHistory | None) -> Edits:
    shape = step.is_active.shape
    budget = np.full(shape, np.nan) if history is None else history.budget("daily_budget")
    has_budget = np.zeros(shape, dtype=bool) if history is None else history.has_budget()
    spend = np.nan_to_num(step.values["spend"])
    return Edits(step.parent, budget, has_budget, step.is_active, spend)
