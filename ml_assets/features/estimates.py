"""The estimate of every entity on every date: relative lead rate, CTR and CVR with their uncertainty.

The one place that turns figures into posteriors; features, classification and all later decisions use it.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.features.dispersion import count_dispersion
from ml_assets.features.goals import entity_goals
from ml_assets.features.grid import FloatArray, IntArray, LevelGrid, TreeGrid, build_grid, window_sum
from ml_assets.features.inputs import FeatureInputs
from ml_assets.features.maturity import Maturity, learn_maturity
from ml_assets.features.shrinkage import Counts, Posterior, ShrinkagePolicy, shrink
from ml_assets.features.targets import Targets, own_cpl, targets

ESTIMATE_DAYS = 14
"""Days whose counts an estimate is made of."""


@dataclass(frozen=True)
class LevelEstimates:
    """What is known of every entity of one level: matrices (entities, dates)."""

    level: LevelGrid
    seeks_leads: np.ndarray
    """(entities,)"""
    target: FloatArray
    target_source: np.ndarray
    leads: FloatArray
    """Leads of 14 days as seen; NaN where the source has none, 0 where leads are not the goal."""
    expected: FloatArray
    """e: leads the spend would have brought at T, as far as they would be visible; 0 without T."""
    maturity: FloatArray
    """Spend-weighted share of the final leads that is visible; NaN without spend."""
    delivery_days: FloatArray
    """Days with impressions in 14."""
    rate: Posterior
    """Of r = T / CPL."""
    dispersion: FloatArray
    """(entities, dates): variance over mean that widened `rate`."""
    ctr_alpha: FloatArray
    ctr_beta: FloatArray
    """Beta posterior of clicks per impression; NaN where the account has no clicks."""
    cvr: Posterior
    """Of leads per click, relative to `cvr_scale`."""
    cvr_scale: FloatArray
    """(entities, dates): the account's leads per click; NaN without."""


@dataclass(frozen=True)
class TreeEstimates:
    """The estimates of all levels down to the lowest one asked for, on the same dates."""

    tree: TreeGrid
    at: IntArray
    maturity: Maturity
    levels: dict[EntityType, LevelEstimates]


@dataclass(frozen=True)
class _LevelCounts:
    """Sums of 14 days of one level, as seen and as far as they would be visible by now.

    Spend is that of the days with known leads, impressions those of the days with known clicks.
    """

    seeks_leads: np.ndarray
    target: FloatArray
    target_source: np.ndarray
    leads: FloatArray
    spend: FloatArray
    visible_spend: FloatArray
    clicks: FloatArray
    visible_clicks: FloatArray
    impressions: FloatArray


FLOOR_EXPECTED = 2.0
FLOOR_LEADS = 3
FLOOR_DELIVERY_DAYS = 3
"""Below (e and n) or below the delivery days in 14 an entity cannot be judged."""


def is_under_floor(own: LevelEstimates) -> np.ndarray:
    """Where too little is known to name a tier: (entities, dates)."""
    few_leads = (own.expected < FLOOR_EXPECTED) & (np.nan_to_num(own.leads) < FLOOR_LEADS)
    return few_leads | (own.delivery_days < FLOOR_DELIVERY_DAYS) | ~(own.target > 0)


def estimate(
    inputs: FeatureInputs,
    entity_type: EntityType,
    dates: Sequence[dt.date],
    policy: ShrinkagePolicy | None = None,
    tree: TreeGrid | None = None,
) -> TreeEstimates:
    """Estimates of `entity_type` and every level above for `dates`, from figures up to each date.

    A date's estimate uses no figure of a later date. `tree` may be passed where it was built before.
    """
    if tree is None:
        tree = grid_for(inputs, entity_type, dates)
    at = tree.columns(dates)
    goals = entity_goals(inputs.entities, inputs.accounts)
    maturity = learn_maturity(tree, inputs.metrics, inputs.development, np.maximum(at, 0))
    if tree.read_then is not None:
        maturity = maturity.read_next_morning(tree.read_then)
    campaigns = tree.levels[EntityType.CAMPAIGN]
    seeking = _seeking(campaigns, goals)[:, None].astype(np.float64)
    own = own_cpl(tree, inputs.metrics, inputs.development, seeking[:, 0], dates)
    in_force = targets(tree, inputs.entities, own)
    counts = _counts_of_all(tree, at, maturity, in_force, goals)
    return TreeEstimates(tree, at, maturity, _posteriors(tree, at, counts, policy or ShrinkagePolicy()))


def grid_for(inputs: FeatureInputs, entity_type: EntityType, dates: Sequence[dt.date]) -> TreeGrid:
    """The grid that estimates of `dates` need, over all days `inputs.metrics` holds up to the last date."""
    first = inputs.metrics["date"].min()
    start = first if isinstance(first, dt.date) else min(dates)
    return build_grid(
        inputs.metrics,
        inputs.entities,
        inputs.versions,
        inputs.accounts,
        entity_type,
        min(start, *dates),
        max(dates),
    )


def _seeking(level: LevelGrid, goals: pl.DataFrame) -> np.ndarray:
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


def _counts_of_all(
    tree: TreeGrid, at: IntArray, maturity: Maturity, in_force: Targets, goals: pl.DataFrame
) -> dict[EntityType, _LevelCounts]:
    counts: dict[EntityType, _LevelCounts] = {}
    target, source = in_force.value, in_force.source
    for entity_type, level in tree.levels.items():
        if entity_type is not EntityType.CAMPAIGN:
            target, source = target[level.parent.index], source[level.parent.index]
        shape = (level.keys.height, at.size)
        with_leads = level.where_known("leads")
        spend, visible_spend, clicks, visible_clicks = (np.zeros(shape) for _ in range(4))
        for lag in range(ESTIMATE_DAYS):
            visible = level.account.spread(maturity.visible(lag))
            day_spend = with_leads.daily("spend", at, lag)
            spend += day_spend
            visible_spend += visible * day_spend
            clicks += level.daily("clicks", at, lag)
            visible_clicks += visible * with_leads.daily("clicks", at, lag)
        counts[entity_type] = _LevelCounts(
            seeks_leads=_seeking(level, goals),
            target=target,
            target_source=source,
            leads=level.window("leads", at, ESTIMATE_DAYS),
            spend=spend,
            visible_spend=visible_spend,
            clicks=clicks,
            visible_clicks=visible_clicks,
            impressions=level.where_known("clicks").window("impressions", at, ESTIMATE_DAYS),
        )
    return counts


def _posteriors(
    tree: TreeGrid, at: IntArray, counts: dict[EntityType, _LevelCounts], policy: ShrinkagePolicy
) -> dict[EntityType, LevelEstimates]:
    weekday = tree.start.isoweekday()
    rate_counts: list[Counts] = []
    ctr_counts: list[Counts] = []
    cvr_counts: list[Counts] = []
    top, top_grid = counts[EntityType.CAMPAIGN], tree.levels[EntityType.CAMPAIGN]
    seeks = top.seeks_leads[:, None]
    ctr_scale = _pooled_rate(top_grid, top.clicks, top.impressions)
    cvr_scale = _pooled_rate(top_grid, np.nan_to_num(top.leads) * seeks, top.visible_clicks * seeks)
    for entity_type, level in tree.levels.items():
        seen = counts[entity_type]
        counted = seen.seeks_leads[:, None] & ~np.isnan(seen.leads)
        n = np.where(counted, np.nan_to_num(seen.leads), 0.0)
        leads_dispersion = count_dispersion(level.where_known("leads"), at, "leads", "spend", weekday)
        counted_here = partial(Counts, parent=level.parent, account=level.account, sample=level.in_sample)
        e = np.where(counted & (seen.target > 0), seen.visible_spend / seen.target, 0.0)
        rate_counts.append(counted_here(n=np.where(e > 0, n, 0.0), e=e, dispersion=leads_dispersion))
        ctr_counts.append(
            counted_here(
                n=seen.clicks,
                e=np.nan_to_num(seen.impressions * level.account.spread(ctr_scale)),
                dispersion=count_dispersion(
                    level.where_known("clicks"), at, "clicks", "impressions", weekday
                ),
            )
        )
        by_click = np.nan_to_num(
            np.where(counted, seen.visible_clicks, 0.0) * level.account.spread(cvr_scale)
        )
        cvr_counts.append(
            counted_here(n=np.where(by_click > 0, n, 0.0), e=by_click, dispersion=leads_dispersion)
        )
    estimates: dict[EntityType, LevelEstimates] = {}
    posteriors = zip(
        shrink(rate_counts, policy), shrink(ctr_counts, policy), shrink(cvr_counts, policy), strict=True
    )
    for (entity_type, level), (rate, ctr, cvr), observed, clicked in zip(
        tree.levels.items(), posteriors, rate_counts, ctr_counts, strict=True
    ):
        seen = counts[entity_type]
        scale = level.account.spread(ctr_scale)
        widening = level.account.spread(clicked.dispersion)
        prior_beta = np.maximum(
            ctr.prior_shape / (ctr.prior_mean * scale) - ctr.prior_shape, ctr.prior_shape * 1e-3
        )
        unclicked = np.maximum(seen.impressions - seen.clicks, 0.0)
        estimates[entity_type] = LevelEstimates(
            level=level,
            seeks_leads=seen.seeks_leads,
            target=seen.target,
            target_source=seen.target_source,
            leads=np.where(seen.seeks_leads[:, None], seen.leads, 0.0),
            expected=observed.e,
            maturity=np.divide(
                seen.visible_spend, seen.spend, out=np.full_like(seen.spend, np.nan), where=seen.spend > 0
            ),
            delivery_days=window_sum(level.values["impressions"] > 0, at, ESTIMATE_DAYS),
            rate=rate,
            dispersion=level.account.spread(observed.dispersion),
            ctr_alpha=np.where(np.isnan(scale), np.nan, ctr.prior_shape + seen.clicks / widening),
            ctr_beta=prior_beta + unclicked / widening,
            cvr=cvr,
            cvr_scale=level.account.spread(cvr_scale),
        )
    return estimates


def _pooled_rate(level: LevelGrid, events: FloatArray, exposure: FloatArray) -> FloatArray:
    """Events per exposure of each account: (accounts, dates); NaN without either."""
    n, e = level.account.total(events), level.account.total(exposure)
    return np.divide(n, e, out=np.full_like(n, np.nan), where=(n > 0) & (e > 0))
