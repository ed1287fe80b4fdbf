"""What people do to the account: launches, pauses, budget changes, creative refreshes; and fatigue.

Everything is a matrix of entities x days that holds the state at the end of the day. All changes of a day
in one campaign happen at one local hour, so the day itself is delivered in part under either state.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.entities import LEVELS, EntityType
from ml_assets.sources.synthetic.config import SyntheticConfig
from ml_assets.sources.synthetic.tree import Tree, sum_children

STATUS = ("ACTIVE", "PAUSED", "ADSET_PAUSED", "CAMPAIGN_PAUSED")
LEARNING = ("LEARNING", "SUCCESS", "FAIL")
LEARNING_DAYS = 7
SIGNIFICANT_CHANGE = 0.2
"""A budget change beyond this starts the learning phase anew."""

RESUMED_SHARE = 0.5
"""Pauses that end again."""

FATIGUE_FLOOR = 0.35
REFRESH, PAUSE, NO_ACTION = 0, 1, 2
FATIGUE_ACTIONS = ("refresh", "pause", None)


@dataclass(frozen=True)
class Fatigue:
    """Ads whose CTR decays; arrays per fatigued ad."""

    ad: np.ndarray  # index
    onset: np.ndarray  # day index of the first day of decay
    end: np.ndarray  # day index on which someone acts; `days` where nobody did
    action: np.ndarray  # index into FATIGUE_ACTIONS
    slope: np.ndarray  # decay of log CTR per day

    def ctr_factor(self, days: int) -> np.ndarray:
        """Factor on the CTR, [fatigued ads, days]."""
        age = np.arange(days) - self.onset[:, None]
        running = (age >= 0) & (np.arange(days) < self.end[:, None])
        decayed = np.maximum(np.exp(-self.slope[:, None] * (age + 1)), FATIGUE_FLOOR)
        return np.where(running, decayed, 1.0)


@dataclass(frozen=True)
class Management:
    """The state of every entity at the end of every day, [entities, days]."""

    hour: np.ndarray  # [campaigns, days] local hour at which changes of the day happen
    paused: dict[EntityType, np.ndarray]  # bool, own status
    effective: dict[EntityType, np.ndarray]  # index into STATUS
    fraction: np.ndarray  # [ads, days] share of the day in which the ad could deliver
    budget: dict[EntityType, np.ndarray]  # campaigns and adsets: daily budget, nan where not the owner
    spend_budget: np.ndarray  # [ads' owners, days] what the owner wants to spend on the day
    owner: np.ndarray  # [ads] row of spend_budget; contiguous
    learning: np.ndarray  # [adsets, days] index into LEARNING
    last_edit: np.ndarray  # [adsets, days] day index of the last significant edit; -1: before the period
    creative: np.ndarray  # [ads, days] number of the creative in use
    fatigue: Fatigue


def _plan_fatigue(config: SyntheticConfig, tree: Tree) -> Fatigue:
    rng = config.rng("fatigue")
    days = config.days
    # Ads that have run long enough and spend enough for the decay to be more than noise.
    able = (tree.ads.launch < days - 40) & tree.seeks_leads[tree.ads.campaign]
    able &= tree.weight >= np.median(tree.weight)
    candidates = rng.permutation(np.flatnonzero(able))
    ad = np.sort(candidates[: round(config.fatigued_ad_share * config.ads)])
    low = tree.ads.launch[ad] + 14
    onset = rng.integers(low, np.maximum(low + 1, days - 12), len(ad))
    end = onset + rng.integers(14, 41, len(ad))
    action = np.where(end >= days, NO_ACTION, rng.integers(0, len(FATIGUE_ACTIONS), len(ad)))
    end = np.where(action == NO_ACTION, days, end)
    return Fatigue(ad=ad, onset=onset, end=end, action=action, slope=rng.uniform(0.02, 0.06, len(ad)))


def _random_pauses(rng: np.random.Generator, config: SyntheticConfig, share: float, count: int) -> np.ndarray:
    """[count, days] bool: one pause per chosen entity, half of them ended again."""
    days = config.days
    low = min(10, max(days // 3, 1))
    start = rng.integers(low, max(low + 1, days - 2), count)
    length = np.where(rng.random(count) < RESUMED_SHARE, rng.integers(3, 22, count), days)
    chosen = rng.random(count) < share
    day = np.arange(days)
    return chosen[:, None] & (day >= start[:, None]) & (day < (start + length)[:, None])


def _pauses(config: SyntheticConfig, tree: Tree, fatigue: Fatigue) -> dict[EntityType, np.ndarray]:
    rng = config.rng("pauses")
    share = config.pause_share
    paused = {
        EntityType.CAMPAIGN: _random_pauses(rng, config, share / 4, config.campaigns),
        EntityType.ADSET: _random_pauses(rng, config, share / 2, config.adsets),
        EntityType.AD: _random_pauses(rng, config, share, config.ads),
    }
    paused[EntityType.AD][fatigue.ad] = (fatigue.action == PAUSE)[:, None] & (
        np.arange(config.days) >= fatigue.end[:, None]
    )
    for level in LEVELS:
        # What starts late starts active.
        paused[level] &= np.arange(config.days) > tree.levels[level].launch[:, None]
    return paused


def _effective(tree: Tree, paused: dict[EntityType, np.ndarray]) -> dict[EntityType, np.ndarray]:
    campaign, adset, ad = (paused[level] for level in LEVELS)
    return {
        EntityType.CAMPAIGN: campaign.astype(np.int8),
        EntityType.ADSET: np.select([adset, campaign[tree.adsets.parent]], [1, 3], 0).astype(np.int8),
        EntityType.AD: np.select(
            [ad, adset[tree.ads.parent], campaign[tree.ads.campaign]], [1, 2, 3], 0
        ).astype(np.int8),
    }


def _fraction(tree: Tree, effective: np.ndarray, hour: np.ndarray) -> np.ndarray:
    days = effective.shape[1]
    on = (effective == 0) & (np.arange(days) >= tree.ads.launch[:, None])
    before = np.empty_like(on)
    before[:, 1:] = on[:, :-1]
    before[:, 0] = on[:, 0]
    until = hour[tree.ads.campaign] / 24.0
    return before * until + on * (1.0 - until)


def _budgets(
    config: SyntheticConfig, tree: Tree, hour: np.ndarray
) -> tuple[dict[EntityType, np.ndarray], np.ndarray, np.ndarray]:
    """Budgets per level, what each owner spends per day, and the owner of each ad."""
    rng = config.rng("budgets")
    key = np.where(tree.owns_budget[tree.ads.campaign], tree.ads.campaign, config.campaigns + tree.ads.parent)
    owner = np.cumsum(np.r_[0, key[1:] != key[:-1]])
    first = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    count, days = len(first), config.days
    utilisation = rng.uniform(0.75, 1.0, count)
    changes = rng.random((count, days)) < config.budget_changes / 120
    changes[:, 0] = False
    step = np.where(changes, np.clip(rng.normal(0.05, 0.25, (count, days)), -0.5, 0.5), 0.0)
    factor = np.exp(np.clip(np.cumsum(step, axis=1), -0.9, 0.9))
    wanted = sum_children(tree.weight, owner)[:, None] * factor
    budget = np.maximum(np.round(wanted / utilisation[:, None]), 1.0)

    campaign_budget = np.full((config.campaigns, days), np.nan)
    adset_budget = np.full((config.adsets, days), np.nan)
    by_campaign = tree.owns_budget[tree.ads.campaign[first]]
    campaign_budget[tree.ads.campaign[first][by_campaign]] = budget[by_campaign]
    adset_budget[tree.ads.parent[first][~by_campaign]] = budget[~by_campaign]

    yesterday = np.concatenate([budget[:, :1], budget[:, :-1]], axis=1)
    until = hour[tree.ads.campaign[first]] / 24.0
    spend_budget = (yesterday * until + budget * (1.0 - until)) * utilisation[:, None]
    return {EntityType.CAMPAIGN: campaign_budget, EntityType.ADSET: adset_budget}, spend_budget, owner


def _learning(
    config: SyntheticConfig, tree: Tree, budget: dict[EntityType, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Learning state and day of the last significant edit per adset and day."""
    day = np.arange(config.days)
    own = budget[EntityType.ADSET]
    governing = np.where(np.isnan(own), budget[EntityType.CAMPAIGN][tree.adsets.parent], own)
    change = np.zeros_like(governing)
    change[:, 1:] = np.abs(governing[:, 1:] / governing[:, :-1] - 1.0)
    launched = (tree.adsets.launch[:, None] == day) & (tree.adsets.launch[:, None] > 0)
    started = launched | ((change > SIGNIFICANT_CHANGE) & (day > tree.adsets.launch[:, None]))
    last = np.maximum.accumulate(np.where(started, day, -1), axis=1)
    leads_per_week = 7 * sum_children(tree.weight, tree.ads.parent) / config.base_cpl
    outcome = np.where(leads_per_week >= config.learning_leads, 1, 2)[:, None]
    learning = np.where((last >= 0) & (day - last < LEARNING_DAYS), 0, outcome)
    return learning.astype(np.int8), last


def manage(config: SyntheticConfig, tree: Tree) -> Management:
    """Everything people did to the account over its days, deterministic per config."""
    hour = config.rng("hours").integers(8, 20, (config.campaigns, config.days))
    fatigue = _plan_fatigue(config, tree)
    paused = _pauses(config, tree, fatigue)
    effective = _effective(tree, paused)
    budget, spend_budget, owner = _budgets(config, tree, hour)
    learning, last_edit = _learning(config, tree, budget)
    creative = np.zeros((config.ads, config.days), dtype=np.int8)
    creative[fatigue.ad] = (fatigue.action == REFRESH)[:, None] & (
        np.arange(config.days) >= fatigue.end[:, None]
    )
    return Management(
        hour=hour,
        paused=paused,
        effective=effective,
        fraction=_fraction(tree, effective[EntityType.AD], hour),
        budget=budget,
        spend_budget=spend_budget,
        owner=owner,
        learning=learning,
        last_edit=last_edit,
        creative=creative,
        fatigue=fatigue,
    )
