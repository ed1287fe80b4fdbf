"""The figures of an account and its three levels as matrices, with what explains a change in them.

Account, campaigns, adsets and ads are four steps of one tree: everything below is done for a step at once.
Leads are those that the morning after each day knew, so that a day is compared with days read at its age.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import polars as pl

from ml_assets.anomalies.calendars import is_holiday
from ml_assets.anomalies.frames import ACCOUNT
from ml_assets.anomalies.inputs import AnomalyInputs
from ml_assets.entities import LEVELS, EntityType
from ml_assets.features.activity import activity
from ml_assets.features.goals import entity_goals
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
from ml_assets.features.inputs import FeatureInputs
from ml_assets.features.maturity import learn_maturity
from ml_assets.features.targets import own_cpl, targets
from ml_assets.metrics import MICROS

STEPS = (ACCOUNT, *(level.value for level in LEVELS))
"""The four steps of the tree, from the top down."""

SHARE_DAYS = 7
"""Days before an edit over which the share of the edited entity is measured."""

MOST_SHARE = 0.9
BUDGET_DOUBT = 0.15
"""Deviation of the log spend after a budget change, beyond the change itself."""

BoolArray: TypeAlias = np.ndarray


@dataclass(frozen=True)
class Step:
    """One step of the tree: rows are entities, columns days."""

    name: str
    keys: pl.DataFrame
    """config_id, entity_id, parent_id, campaign_id."""
    parent: Groups
    """Rows of the step above; for the account itself one group a row."""
    account: IntArray
    figures: dict[str, np.ndarray]
    """spend in money, impressions, clicks, leads as known the next morning: (entities, days)."""
    is_live: BoolArray
    """Active through the day and not edited on it: (entities, days)."""
    is_judged: BoolArray
    """Its figures of the day can be trusted: (entities, days)."""
    shock: np.ndarray
    """Variance that edits add to the log of the spend from that day on: (entities, days)."""
    target: FloatArray
    """T: (entities, days); NaN where unknown."""
    seeks_leads: BoolArray
    """(entities,)"""
    unknown: dict[str, np.ndarray]
    """Figure -> (entities, days) where a row stands without it."""

    @property
    def height(self) -> int:
        """How many entities there are."""
        return self.keys.height

    def column(self, name: str, day: int) -> FloatArray:
        """A figure of all entities on one day; NaN where a row stands without it."""
        values = self.figures[name][:, day].astype(np.float64)
        if name in self.unknown:
            values[self.unknown[name][:, day]] = np.nan
        return values


@dataclass(frozen=True)
class Panel:
    """All steps over the same days."""

    start: dt.date
    days: int
    accounts: pl.DataFrame
    steps: tuple[Step, ...]
    visible: FloatArray
    """(accounts, days): share of the final leads that the figures of the day hold."""
    holiday: BoolArray
    """(accounts, days)"""
    share: FloatArray
    """(accounts, days): share of a day's delivery that is there by now; 1 where the day is over."""
    share_deviation: FloatArray
    """(accounts, days): of the log of that share."""

    @cached_property
    def weekday(self) -> IntArray:
        """0 Monday to 6 Sunday of every day."""
        return (np.arange(self.days) + self.start.weekday()) % 7

    def date(self, day: int) -> dt.date:
        """The date of a column."""
        return self.start + dt.timedelta(days=day)

    def day(self, date: dt.date) -> int:
        """The column of a date."""
        return (date - self.start).days


def build_panel(
    inputs: AnomalyInputs, start: dt.date, end: dt.date, unjudged: pl.DataFrame | None = None
) -> Panel:
    """The panel of the days [start, end]; `unjudged` names (config_id, entity_type, date) to leave out."""
    figures = inputs.figures
    dates = [start + dt.timedelta(days=offset) for offset in range((end - start).days + 1)]
    tree = build_grid(
        figures.metrics, figures.entities, figures.versions, figures.accounts, EntityType.AD, start, end
    )
    # Of T and of how old figures are the campaigns' rows tell: a copy of all would be the largest thing here.
    campaigns = (
        figures.metrics.lazy()
        .filter(pl.col("entity_type") == EntityType.CAMPAIGN.value, pl.col("date").is_between(start, end))
        .collect()
    )
    tree = as_known_then(tree, inputs.revisions, len(dates))
    at = np.arange(len(dates))
    maturity = learn_maturity(tree, campaigns, figures.development, at)
    if tree.read_then is not None:
        maturity = maturity.read_next_morning(tree.read_then)
    goals = entity_goals(figures.entities, figures.accounts)
    target = _targets(tree, replace(figures, metrics=campaigns), goals, dates)
    live, turned, jumps = _states(tree, figures, dates)
    shocks = _shocks(list(tree.levels.values()), turned, jumps)
    judged = _judged(tree, unjudged, inputs.running)
    steps: list[Step] = []
    for index, (entity_type, level) in enumerate(tree.levels.items()):
        known = level.where_known("leads")
        steps.append(
            Step(
                name=entity_type.value,
                keys=level.keys,
                parent=level.parent,
                account=level.account.index,
                figures={
                    "spend": (level.values["spend"] / MICROS).astype(np.float32),
                    "impressions": level.values["impressions"],
                    "clicks": level.values["clicks"],
                    "leads": np.maximum(known.daily("leads", at, 0), 0.0).astype(np.float32),
                },
                is_live=live[index],
                is_judged=judged[entity_type.value][level.account.index],
                shock=shocks[index],
                target=target[index],
                seeks_leads=_seeks(level, goals),
                unknown={name: level.unknown[name] for name in ("clicks", "leads") if name in level.unknown},
            )
        )
    account = _account_step(tree, steps[0], judged)
    share, deviation = _shares(tree, inputs.running)
    return Panel(
        start=start,
        days=len(dates),
        accounts=tree.accounts,
        steps=(account, *steps),
        visible=maturity.visible(0),
        holiday=is_holiday(tree.accounts, dates),
        share=share,
        share_deviation=deviation,
    )


def _targets(
    tree: TreeGrid, figures: FeatureInputs, goals: pl.DataFrame, dates: Sequence[dt.date]
) -> list[FloatArray]:
    """T of every entity of the three levels on every day."""
    seeking = _seeks(tree.levels[EntityType.CAMPAIGN], goals).astype(np.float64)
    own = own_cpl(tree, figures.metrics, figures.development, seeking, dates)
    found = [targets(tree, figures.entities, own).value]
    for level in list(tree.levels.values())[1:]:
        found.append(found[-1][level.parent.index])
    return found


def _seeks(level: LevelGrid, goals: pl.DataFrame) -> BoolArray:
    return (
        level.keys.join(
            goals.filter(pl.col("entity_type") == level.entity_type.value),
            on=["config_id", "entity_id"],
            how="left",
            maintain_order="left",
        )["seeks_leads"]
        .fill_null(value=True)
        .to_numpy()
    )


def _states(
    tree: TreeGrid, figures: FeatureInputs, dates: Sequence[dt.date]
) -> tuple[list[BoolArray], list[BoolArray], list[np.ndarray]]:
    """Of each level: live through the day, status turned on the day, log of the budget's change on it."""
    live: list[BoolArray] = []
    turned: list[BoolArray] = []
    jumps: list[np.ndarray] = []
    for on in activity(tree, figures, dates):
        active = on.is_active
        before = np.concatenate([active[:, :1], active[:, :-1]], axis=1)
        live.append(active & before)
        turned.append((active != before) | _launched(on.level.values["impressions"] > 0))
        jumps.append(_budget_jumps(on.history))
    return live, turned, jumps


def _launched(on_day: BoolArray) -> BoolArray:
    """The first day of delivery of what did not deliver at the start: a launch moves its siblings' spend."""
    first = np.zeros_like(on_day)
    row = np.flatnonzero(on_day.any(axis=1) & ~on_day[:, :1].any(axis=1))
    first[row, on_day[row].argmax(axis=1)] = True
    return first


def _budget_jumps(history: LevelHistory) -> np.ndarray:
    """Log of the daily budget over that of the day before; 0 where either is not known."""
    budget = history.budget("daily_budget")
    jump = np.zeros(budget.shape, dtype=np.float32)
    known = (budget[:, 1:] > 0) & (budget[:, :-1] > 0)
    jump[:, 1:][known] = np.log(budget[:, 1:][known] / budget[:, :-1][known])
    return jump


def _shocks(
    levels: Sequence[LevelGrid], turned: Sequence[BoolArray], jumps: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Variance that edits add to the log of the spend of everything they touch, on their day and the next.

    An edit touches its entity and all below; the levels above by its share of their spend, and through them
    the siblings, who take up what a paused one leaves.
    """
    upward: list[np.ndarray] = []
    shifted = np.zeros_like(jumps[-1])
    for index in reversed(range(len(levels))):
        level = levels[index]
        own = jumps[index] ** 2 + np.where(jumps[index] != 0, np.float32(BUDGET_DOUBT**2), np.float32(0))
        own += turned[index]
        upward.insert(0, own + shifted)
        share = _share_before(level, levels[index - 1] if index else None)
        moved = np.where(turned[index], share, share * np.abs(np.expm1(jumps[index])))
        doubt = np.log1p(-np.minimum(moved, MOST_SHARE)) ** 2
        # What was edited further below moves this one, and with it those above, by its share once more.
        doubt = np.where(moved > 0, doubt, 0.0) + share**2 * np.minimum(shifted, 1.0)
        shifted = level.parent.total(doubt).astype(np.float32)
    found: list[np.ndarray] = []
    for index, level in enumerate(levels):
        total = upward[index]
        if index:
            total = total + found[index - 1][level.parent.index]
        found.append(total)
    for total in found:
        total[:, 1:] += total[:, :-1].copy()
    return found


def _share_before(level: LevelGrid, above: LevelGrid | None) -> np.ndarray:
    """Share of each entity in its parent's spend of the week before each day; an equal share at least."""
    spend = _week_before(level.values["spend"])
    parents = level.parent.total(spend) if above is None else _week_before(above.values["spend"])
    parents = np.maximum(parents, 1.0)[level.parent.index]
    there = (spend > 0).astype(np.float32)
    equal = 1.0 / (level.parent.total(there)[level.parent.index] + 1.0)
    return np.maximum(spend / parents, np.where(spend > 0, 0.0, equal)).astype(np.float32)


def _week_before(values: np.ndarray) -> FloatArray:
    total = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=total[:, 1:])
    last = np.arange(values.shape[1])
    return total[:, last] - total[:, np.maximum(last - SHARE_DAYS, 0)]


def _judged(tree: TreeGrid, unjudged: pl.DataFrame | None, running: pl.DataFrame) -> dict[str, BoolArray]:
    """Per level, (accounts, days): the figures can be trusted."""
    judged = {level.value: np.ones((tree.accounts.height, tree.days), dtype=bool) for level in LEVELS}
    waiting = running.filter(pl.col("reason").is_not_null()).select("config_id", "date")
    left_out = [
        waiting.with_columns(entity_type=pl.lit(level.value)).select("config_id", "entity_type", "date")
        for level in LEVELS
    ]
    if unjudged is not None:
        left_out.append(unjudged.select("config_id", "entity_type", "date"))
    placed = pl.concat(left_out).join(_account_rows(tree.accounts), on="config_id", how="inner")
    placed = placed.with_columns(day=(pl.col("date") - tree.start).dt.total_days()).filter(
        pl.col("day").is_between(0, tree.days - 1)
    )
    for (level,), part in placed.group_by("entity_type"):
        judged[str(level)][part["account"].to_numpy(), part["day"].to_numpy()] = False
    return judged


def _account_rows(accounts: pl.DataFrame) -> pl.DataFrame:
    return accounts.select("config_id", account=pl.int_range(pl.len()))


def _shares(tree: TreeGrid, running: pl.DataFrame) -> tuple[FloatArray, FloatArray]:
    """(accounts, days): the share of a running day that is there, and the deviation of its log."""
    share = np.ones((tree.accounts.height, tree.days))
    deviation = np.zeros_like(share)
    placed = (
        running.filter(pl.col("reason").is_null())
        .join(_account_rows(tree.accounts), on="config_id", how="inner")
        .with_columns(day=(pl.col("date") - tree.start).dt.total_days())
        .filter(pl.col("day").is_between(0, tree.days - 1))
    )
    place = placed["account"].to_numpy(), placed["day"].to_numpy()
    share[place] = placed["share"].to_numpy()
    deviation[place] = placed["deviation"].to_numpy()
    return share, deviation


def _account_step(tree: TreeGrid, campaigns: Step, judged: dict[str, BoolArray]) -> Step:
    """The account as the sum of its campaigns."""
    groups = campaigns.parent
    seeks = campaigns.seeks_leads[:, None]
    figures = {name: groups.total(values) for name, values in campaigns.figures.items()}
    weight = campaigns.figures["spend"] * np.isfinite(campaigns.target) * seeks
    total = groups.total(weight)
    target = np.divide(
        groups.total(weight * np.nan_to_num(campaigns.target)),
        total,
        out=np.full(total.shape, np.nan),
        where=total > 0,
    )
    share = _share_before(tree.levels[EntityType.CAMPAIGN], None)
    accounts = tree.accounts
    return Step(
        name=ACCOUNT,
        keys=accounts.select(
            "config_id",
            entity_id=pl.col("account_id"),
            parent_id=pl.lit(None, pl.String),
            campaign_id=pl.lit(None, pl.String),
        ),
        parent=Groups(np.arange(accounts.height), accounts.height),
        account=np.arange(accounts.height),
        figures=figures,
        is_live=groups.total(campaigns.is_live) > 0,
        is_judged=judged[EntityType.CAMPAIGN.value],
        shock=groups.total(share**2 * np.minimum(campaigns.shock, 1.0)),
        target=_last_known(target),
        seeks_leads=groups.total(campaigns.seeks_leads) > 0,
        unknown={},
    )


def _last_known(values: FloatArray) -> FloatArray:
    """Each row with gaps filled by the last value before them."""
    known = np.isfinite(values)
    newest = np.maximum.accumulate(np.where(known, np.arange(values.shape[1]), -1), axis=1)
    filled = np.take_along_axis(values, np.maximum(newest, 0), axis=1)
    return np.where(newest >= 0, filled, np.nan)
