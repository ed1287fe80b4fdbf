"""The tree of the synthetic account: who belongs to whom, ids, launches, sizes and true spreads.

Entities are numbered from 0 per level and sorted by their parent, so that the children of an entity are
a contiguous slice and sums over children are `np.add.reduceat`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.sources.synthetic.config import SyntheticConfig

FIRST_ID = 120_200_000_000_000_000
"""Ids look like Meta's own: 18 digits, too many for a float."""

ID_GAP = {EntityType.CAMPAIGN: 0, EntityType.ADSET: 10**15, EntityType.AD: 2 * 10**15}


@dataclass(frozen=True)
class Level:
    """The entities of one level; arrays of length n."""

    ids: pl.Series  # text
    parent: np.ndarray  # index one level up; zeros for campaigns
    campaign: np.ndarray  # index of the campaign
    launch: np.ndarray  # day index from which it exists; 0: since before the period
    created_days_before: np.ndarray  # days before the period; 0 where launched within
    log_rate: np.ndarray  # log of the true relative lead rate against the level above

    def __len__(self) -> int:
        return len(self.parent)


@dataclass(frozen=True)
class Tree:
    """All levels, and what hangs on the tree and not on days."""

    levels: dict[EntityType, Level]
    weight: np.ndarray  # [ads] mean daily spend while live, major units
    owns_budget: np.ndarray  # [campaigns] bool: campaign budget
    seeks_leads: np.ndarray  # [campaigns] bool

    @property
    def campaigns(self) -> Level:
        """The campaigns."""
        return self.levels[EntityType.CAMPAIGN]

    @property
    def adsets(self) -> Level:
        """The adsets."""
        return self.levels[EntityType.ADSET]

    @property
    def ads(self) -> Level:
        """The ads."""
        return self.levels[EntityType.AD]


def first_of(parent: np.ndarray) -> np.ndarray:
    """Where each parent's children begin; every parent has at least one child."""
    return np.flatnonzero(np.r_[True, parent[1:] != parent[:-1]])


def sum_children(values: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """Sums over the children of each parent, along the first axis."""
    return np.add.reduceat(values, first_of(parent), axis=0)


def _children(rng: np.random.Generator, parents: int, children: int) -> np.ndarray:
    """Parent index per child: unequal numbers, at least one each."""
    share = rng.dirichlet(np.full(parents, 2.0))
    counts = 1 + rng.multinomial(children - parents, share)
    return np.repeat(np.arange(parents), counts)


def _ids(rng: np.random.Generator, level: EntityType, count: int) -> pl.Series:
    ids = FIRST_ID + ID_GAP[level] + np.cumsum(rng.integers(10**5, 10**9, count))
    return pl.Series("entity_id", ids).cast(pl.String)


def _log_spread(rng: np.random.Generator, config: SyntheticConfig, sigma: float, count: int) -> np.ndarray:
    """Log of a factor with mean 1 and the given relative deviation."""
    if sigma <= 0:
        return np.zeros(count)
    if config.spread == "gamma":
        shape = 1.0 / sigma**2
        return np.log(np.maximum(rng.gamma(shape, 1.0 / shape, count), 1e-3))
    return rng.normal(-(sigma**2) / 2, sigma, count)


def _launches(
    rng: np.random.Generator, config: SyntheticConfig, share: float, parent_launch: np.ndarray
) -> np.ndarray:
    late = rng.random(len(parent_launch)) < share
    low = min(config.days // 6, config.days - 1)
    day = rng.integers(low, max(low + 1, config.days - 3), len(parent_launch))
    return np.maximum(np.where(late, day, 0), parent_launch)


def _level(
    config: SyntheticConfig, level: EntityType, parent: np.ndarray, above: Level | None, sigma: float
) -> Level:
    rng = config.rng(f"level {level}")
    count = len(parent)
    share = config.launch_share * {"campaign": 0.25, "adset": 0.5, "ad": 1.0}[level.value]
    if above is None:
        launch = _launches(rng, config, share, np.zeros(count, dtype=np.int64))
        before = rng.integers(120, 400, count)
    else:
        launch = _launches(rng, config, share, above.launch[parent])
        before = (above.created_days_before[parent] * rng.uniform(0.3, 1.0, count)).astype(np.int64)
    return Level(
        ids=_ids(rng, level, count),
        parent=parent,
        campaign=np.arange(count) if above is None else above.campaign[parent],
        launch=launch,
        created_days_before=np.where(launch > 0, 0, np.maximum(before, 1)),
        log_rate=_log_spread(rng, config, sigma, count),
    )


def _weights(config: SyntheticConfig, ads: Level) -> np.ndarray:
    """Mean daily spend per ad: unequal over campaigns, adsets and ads."""
    rng = config.rng("weights")
    log_weight = config.spend_sigma * (
        0.45 * rng.normal(size=config.campaigns)[ads.campaign]
        + 0.57 * rng.normal(size=config.adsets)[ads.parent]
        + 0.69 * rng.normal(size=config.ads)
    )
    # A fixed factor and not the realised mean, so that seeds differ as accounts do.
    mean = config.leads_per_ad_week / 7 * config.base_cpl
    return mean * np.exp(log_weight - config.spend_sigma**2 / 2)


def make_tree(config: SyntheticConfig) -> Tree:
    """The tree of the account, deterministic per config."""
    rng = config.rng("tree")
    campaigns = _level(
        config, EntityType.CAMPAIGN, np.zeros(config.campaigns, dtype=np.int64), None, config.campaign_sigma
    )
    adset_parent = _children(rng, config.campaigns, config.adsets)
    adsets = _level(config, EntityType.ADSET, adset_parent, campaigns, config.adset_sigma)
    ad_parent = _children(rng, config.adsets, config.ads)
    ads = _level(config, EntityType.AD, ad_parent, adsets, config.ad_sigma)
    seeks_leads = np.ones(config.campaigns, dtype=bool)
    # Never all: an account without a lead-seeking campaign has no truth to be judged by.
    traffic = rng.permutation(config.campaigns)[: min(config.traffic_campaigns, config.campaigns - 1)]
    seeks_leads[traffic] = False
    owns_budget = np.zeros(config.campaigns, dtype=bool)
    owners = rng.permutation(config.campaigns)[: round(config.campaign_budget_share * config.campaigns)]
    owns_budget[owners] = True
    return Tree(
        levels={EntityType.CAMPAIGN: campaigns, EntityType.ADSET: adsets, EntityType.AD: ads},
        weight=_weights(config, ads),
        owns_budget=owns_budget,
        seeks_leads=seeks_leads,
    )
