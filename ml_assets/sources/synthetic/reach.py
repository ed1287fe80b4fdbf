"""Reach and frequency: unique people, which add up over neither days nor entities.

An adset's people are a pool that every impression hits at random; its ads share the pool, and the pools
of a campaign's adsets overlap. So a parent's reach is at least its largest child's and at most their sum.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.entities import EntityType
from ml_assets.sources.synthetic.config import SyntheticConfig
from ml_assets.sources.synthetic.tree import Tree, first_of, sum_children

WEEK = 7
TYPICAL_PRESSURE = 0.8
"""Weekly impressions per person in the pool: a weekly frequency of about 1.5."""


@dataclass(frozen=True)
class Reach:
    """People reached, [entities, days]; 0 without impressions."""

    impressions: np.ndarray
    reach: np.ndarray
    impressions_7d: np.ndarray  # of [date-6, date]
    reach_7d: np.ndarray


def _weekly(daily: np.ndarray) -> np.ndarray:
    total = np.cumsum(daily, axis=1)
    total[:, WEEK:] -= total[:, :-WEEK].copy()
    return total


def _of_levels(
    tree: Tree, pool: np.ndarray, unshared: np.ndarray, ad_impressions: np.ndarray
) -> dict[EntityType, np.ndarray]:
    def people(impressions: np.ndarray, size: np.ndarray) -> np.ndarray:
        return size[:, None] * -np.expm1(-impressions / size[:, None])

    ad = np.ceil(people(ad_impressions, pool[tree.ads.parent])).astype(np.int64)
    adset_impressions = sum_children(ad_impressions, tree.ads.parent)
    # Rounded down, but never under the largest child.
    adset = np.maximum(
        np.floor(people(adset_impressions, pool)).astype(np.int64),
        np.maximum.reduceat(ad, first_of(tree.ads.parent), axis=0),
    )
    total = sum_children(adset, tree.adsets.parent)
    largest = np.maximum.reduceat(adset, first_of(tree.adsets.parent), axis=0)
    campaign = np.floor(largest + unshared[:, None] * (total - largest)).astype(np.int64)
    return {EntityType.CAMPAIGN: campaign, EntityType.ADSET: adset, EntityType.AD: ad}


def make_reach(
    config: SyntheticConfig, tree: Tree, ad_impressions: np.ndarray, residual_impressions: np.ndarray
) -> dict[EntityType, Reach]:
    """Daily and weekly reach of all levels.

    `ad_impressions` is [ads, days]; `residual_impressions` [campaigns, days] are those of deleted
    adsets, who reached people the others had reached already.
    """
    rng = config.rng("reach")
    weekly = WEEK * 1000.0 * sum_children(tree.weight, tree.ads.parent) / config.base_cpm
    pool = np.maximum(weekly / (TYPICAL_PRESSURE * np.exp(rng.normal(0.0, 0.5, config.adsets))), 50.0)
    unshared = rng.uniform(0.7, 0.95, config.campaigns)
    daily = _of_levels(tree, pool, unshared, ad_impressions)
    week = _of_levels(tree, pool, unshared, _weekly(ad_impressions))
    adset_impressions = sum_children(ad_impressions, tree.ads.parent)
    impressions = {
        EntityType.CAMPAIGN: sum_children(adset_impressions, tree.adsets.parent) + residual_impressions,
        EntityType.ADSET: adset_impressions,
        EntityType.AD: ad_impressions,
    }
    return {
        level: Reach(impressions[level], daily[level], _weekly(impressions[level]), week[level])
        for level in impressions
    }
