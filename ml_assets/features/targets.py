"""T, the target CPL in force: the campaign's, else the account's, else the account's own recent CPL."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.features.grid import FloatArray, TreeGrid
from ml_assets.features.maturity import learn_maturity

OWN_CPL_DAYS = 28
"""Days over which an account's own CPL is pooled."""


@dataclass(frozen=True)
class Targets:
    """T per campaign and date, null as NaN, with where it comes from."""

    value: FloatArray
    """(campaigns, dates), account currency per lead."""
    source: np.ndarray
    """(campaigns, dates) of: campaign, account, own_cpl, none."""


def own_cpl(
    tree: TreeGrid,
    metrics: pl.DataFrame,
    development: pl.DataFrame,
    seeking: FloatArray,
    dates: Sequence[dt.date],
) -> FloatArray:
    """The account's pooled CPL of 28 days over lead-seeking spend, weighted by maturity: (accounts, dates).

    Frozen per ISO week: the 28 days end on the Sunday before. An account without a lead up to that Sunday is
    measured up to the date itself. NaN without leads. `seeking` is 1 or 0 per campaign. In a tree as it was
    known then, leads that came in after the morning after the last of the 28 days do not count.
    """
    last_sundays = [date - dt.timedelta(days=date.isoweekday()) for date in dates]
    frozen = _pooled(tree, metrics, development, seeking, last_sundays)
    if not np.isnan(frozen).any():
        return frozen
    return np.where(np.isnan(frozen), _pooled(tree, metrics, development, seeking, dates), frozen)


def _pooled(
    tree: TreeGrid,
    metrics: pl.DataFrame,
    development: pl.DataFrame,
    seeking: FloatArray,
    dates: Sequence[dt.date],
) -> FloatArray:
    ends = sorted(set(dates))
    at = tree.columns(ends)
    inside = np.maximum(at, 0)
    campaigns = tree.levels[EntityType.CAMPAIGN].where_known("leads")
    maturity = learn_maturity(tree, metrics, development, inside)
    if campaigns.late is not None:
        campaigns = replace(campaigns, late=replace(campaigns.late, total=at.size))
    if tree.read_then is not None:
        maturity = maturity.read_next_morning(tree.read_then[:, :1])
    spend = np.zeros((tree.accounts.height, at.size))
    leads = np.zeros_like(spend)
    for lag in range(OWN_CPL_DAYS):
        visible = maturity.visible(lag)
        spend += visible * campaigns.account.total(seeking[:, None] * campaigns.daily("spend", at, lag))
        leads += campaigns.account.total(seeking[:, None] * campaigns.daily("leads", at, lag))
    cpl = np.divide(spend, leads, out=np.full_like(spend, np.nan), where=(leads > 0) & (spend > 0))
    return cpl[:, [ends.index(date) for date in dates]]


def targets(tree: TreeGrid, entities: pl.DataFrame, own: FloatArray) -> Targets:
    """T of every campaign of the tree from `own` (accounts, dates) and the targets that were set."""
    campaigns = tree.levels[EntityType.CAMPAIGN]
    set_targets = entities.filter(pl.col("entity_type") == "campaign").select(
        "config_id", "entity_id", "target_cpl"
    )
    by_campaign = _positive(
        campaigns.keys.join(set_targets, on=["config_id", "entity_id"], how="left", maintain_order="left")[
            "target_cpl"
        ]
    )
    by_account = campaigns.account.spread(_positive(tree.accounts["target_cpl"]))
    measured = campaigns.account.spread(own)
    shape = measured.shape
    fixed = np.where(np.isnan(by_campaign), by_account, by_campaign)[:, None]
    value = np.where(np.isnan(fixed), measured, fixed)
    source = np.select(
        [
            np.broadcast_to(~np.isnan(by_campaign)[:, None], shape),
            np.broadcast_to(~np.isnan(by_account)[:, None], shape),
            ~np.isnan(measured),
        ],
        ["campaign", "account", "own_cpl"],
        "none",
    )
    return Targets(value=value, source=source)


def _positive(column: pl.Series) -> FloatArray:
    values = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.where(values > 0, values, np.nan)
