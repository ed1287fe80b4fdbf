"""What the entities of every level were on each date: running or paused, budgets and who owns them, edits."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.entity_state import RECENT_DAYS
from ml_assets.features.grid import FloatArray, Groups, IntArray, TreeGrid, window_sum
from ml_assets.features.history import PAUSED, LevelHistory, level_history
from ml_assets.features.inputs import FeatureInputs

BUDGET_LOOKBACK = 14
"""Days over which the rise of a budget is limited."""

DAYS_PER_MONTH = 365.25 / 12

OWNERS = ("none", "campaign", "adset")


@dataclass(frozen=True)
class LevelState:
    """One level: matrices (entities, dates)."""

    is_active: np.ndarray
    is_paused: np.ndarray
    """Paused itself, not by a level above."""
    above_is_active: np.ndarray
    daily_budget: FloatArray
    """NaN where none is set at this level."""
    budget_before: FloatArray
    """Daily budget `BUDGET_LOOKBACK` days earlier; NaN where it is not known."""
    owner: IntArray
    """Index into `OWNERS`."""
    is_learning: np.ndarray
    """An adset's own learning phase, an ad's adset's; never a campaign."""
    edited_at: IntArray
    """Moment of the newest edit in microseconds since 1970; the least integer without one."""


def states(figures: FeatureInputs, tree: TreeGrid, dates: Sequence[dt.date]) -> dict[EntityType, LevelState]:
    """The state of every level of the tree on `dates`, in any order."""
    unique = sorted(set(dates))
    place = np.array([unique.index(day) for day in dates])
    return {
        level: LevelState(*(getattr(state, item.name)[:, place] for item in fields(LevelState)))
        for level, state in _states(figures, tree, unique).items()
    }


def _states(figures: FeatureInputs, tree: TreeGrid, dates: Sequence[dt.date]) -> dict[EntityType, LevelState]:
    before = [day - dt.timedelta(days=BUDGET_LOOKBACK) for day in dates]
    every = sorted({*dates, *before})
    now, then = (np.array([every.index(day) for day in days]) for days in (dates, before))
    at = tree.columns(dates)
    found: dict[EntityType, LevelState] = {}
    owner = has_adset_budget = np.zeros((0, len(dates)), dtype=np.int64)
    for entity_type, level in tree.levels.items():
        history = _history(figures, entity_type, level.keys, every)
        budget = history.budget("daily_budget")
        has_budget = history.has_budget()[:, now]
        delivered = level.values["impressions"] > 0
        above = found[entity_type.parent] if entity_type.parent is not None else None
        parent = level.parent
        on_day, recently = (
            _on_dates(window_sum(delivered, at, days) > 0, len(every), now) for days in (1, RECENT_DAYS)
        )
        upper = None if above is None else _on_dates(above.is_active, len(every), now)
        active = history.is_active(on_day, recently, upper, parent)[:, now]
        match entity_type:
            case EntityType.CAMPAIGN:
                has_adset_budget = _below_has_budget(figures, level.keys, every)[:, now]
                owner = np.where(has_budget, 1, np.where(has_adset_budget, 2, 0))
            case EntityType.ADSET:
                owner = np.where(parent.spread(owner) == 1, 1, np.where(has_budget, 2, 0))
            case EntityType.AD:
                owner = parent.spread(owner)
        learning = np.zeros_like(active)
        edited_at = history.edited_at()[:, now]
        if entity_type is EntityType.ADSET:
            learning = history.is_word("learning_status", "LEARNING")[:, now]
        elif above is not None:
            learning = parent.spread(above.is_learning)
            edited_at = np.maximum(edited_at, parent.spread(above.edited_at))
        found[entity_type] = LevelState(
            is_active=active,
            is_paused=history.is_word("status", PAUSED)[:, now] & ~active,
            above_is_active=np.ones_like(active)
            if above is None
            else parent.spread(above.is_active & above.above_is_active),
            daily_budget=budget[:, now],
            budget_before=np.where(history.newest[:, then] >= 0, budget[:, then], np.nan),
            owner=owner,
            is_learning=learning,
            edited_at=edited_at,
        )
    return found


def budget_room(figures: FeatureInputs, tree: TreeGrid, dates: Sequence[dt.date]) -> FloatArray:
    """Daily budget that the monthly budget leaves beyond the sum of all running budgets: (accounts, dates).

    0 where no monthly budget is set. Campaigns and adsets are both looked at whatever the lowest level of the
    tree is, so that every level's partition sees the same room.
    """
    monthly = tree.accounts["monthly_budget"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    limited = tree.accounts.filter(pl.Series(monthly > 0))["config_id"]
    unique = sorted(set(dates))
    room = np.zeros((tree.accounts.height, len(unique)))
    place = [unique.index(day) for day in dates]
    if limited.is_empty():
        return room[:, place]
    row_of = tree.accounts.select("config_id", account=pl.int_range(pl.len()))
    room[monthly > 0] = (monthly[monthly > 0] / DAYS_PER_MONTH)[:, None]
    above = pl.DataFrame(schema={"config_id": pl.Int64, "parent_id": pl.String, "parent": pl.Int64})
    running: np.ndarray | None = None
    for entity_type in (EntityType.CAMPAIGN, EntityType.ADSET):
        keys = (
            figures.entities.filter(
                pl.col("entity_type") == entity_type.value, pl.col("config_id").is_in(limited.implode())
            )
            .select("config_id", "entity_id", "parent_id")
            .join(row_of, on="config_id", how="inner")
            .join(above, on=["config_id", "parent_id"], how="left" if running is None else "inner")
            .sort("config_id", "entity_id")
        )
        if not keys.height:
            continue
        history = _history(figures, entity_type, keys, unique)
        runs = np.ones((keys.height, len(unique)), dtype=bool)
        account = Groups(keys["account"].cast(pl.Int64).to_numpy(), tree.accounts.height)
        parent = Groups(keys["parent"].fill_null(0).to_numpy(), above.height)
        running = history.is_active(runs, runs, running, parent)
        above = keys.select("config_id", parent_id="entity_id", parent=pl.int_range(pl.len()))
        room -= account.total(np.where(running, np.nan_to_num(history.budget("daily_budget")), 0.0))
    return room[:, place]


def _history(
    figures: FeatureInputs, entity_type: EntityType, keys: pl.DataFrame, dates: Sequence[dt.date]
) -> LevelHistory:
    return level_history(figures.entities, figures.versions, figures.accounts, entity_type, keys, dates)


def _on_dates(values: np.ndarray, dates: int, now: IntArray) -> np.ndarray:
    """A matrix on the asked dates as one on all dates; the others are not looked at."""
    whole = np.zeros((values.shape[0], dates), dtype=values.dtype)
    whole[:, now] = values
    return whole


def _below_has_budget(
    figures: FeatureInputs, campaigns: pl.DataFrame, dates: Sequence[dt.date]
) -> np.ndarray:
    """Whether any adset of each campaign has a budget: (campaigns, dates)."""
    adsets = (
        figures.entities.filter(pl.col("entity_type") == EntityType.ADSET.value)
        .select("config_id", "entity_id", "parent_id")
        .join(
            campaigns.select("config_id", parent_id="entity_id", campaign=pl.int_range(pl.len())),
            on=["config_id", "parent_id"],
            how="inner",
        )
        .sort("config_id", "entity_id")
    )
    has = np.zeros((campaigns.height, len(dates)), dtype=bool)
    if adsets.height:
        own = _history(figures, EntityType.ADSET, adsets, dates).has_budget()
        np.logical_or.at(has, adsets["campaign"].to_numpy(), own)
    return has
