"""Injected incidents: one cause at one root entity, with onset and duration, as factors on an ad's day."""

from dataclasses import dataclass

import numpy as np

from ml_assets.entities import LEVELS, EntityType
from ml_assets.sources.synthetic.config import SyntheticConfig
from ml_assets.sources.synthetic.tree import Tree

KINDS = ("TRACKING_BREAK", "ZERO_SPEND", "CTR_DROP", "SPEND_SPIKE", "CPM_SPIKE")
FACTOR = {
    "ZERO_SPEND": 0.0,
    "SPEND_SPIKE": 3.0,
    "TRACKING_BREAK": 0.0,
    "CTR_DROP": 0.35,
    "CPM_SPIKE": 2.0,
}
"""What the kind multiplies its own figure by while it lasts."""

ACCOUNT = "account"
EXTERNAL_DAYS = 7
EXTERNAL_DAYS_BEFORE_END = 20


@dataclass(frozen=True)
class Incident:
    """One cause. `root` is the index of the entity in its level; an account's is 0."""

    kind: str
    level: str  # campaign, adset, ad or account
    root: int
    onset: int  # day index
    last: int  # day index, inclusive
    factor: float


@dataclass(frozen=True)
class Disturbance:
    """Factors of all incidents together, [ads, days]; None where no incident touches the figure."""

    spend: np.ndarray | None
    ctr: np.ndarray | None
    cpm: np.ndarray | None
    leads: np.ndarray | None


def ads_of(tree: Tree, incident: Incident) -> np.ndarray:
    """Which ads the incident touches, [ads] bool."""
    if incident.level == ACCOUNT:
        return np.ones(len(tree.ads), dtype=bool)
    of_level = {
        EntityType.CAMPAIGN: tree.ads.campaign,
        EntityType.ADSET: tree.ads.parent,
        EntityType.AD: np.arange(len(tree.ads)),
    }
    return of_level[EntityType(incident.level)] == incident.root


def plan_incidents(config: SyntheticConfig, tree: Tree, spend: np.ndarray) -> list[Incident]:
    """Incidents on entities that deliver throughout; `spend` is the undisturbed spend, [ads, days].

    Fewer than asked where no entity is fit. No two share a campaign while there are campaigns enough. The
    last one still runs on the last day.
    """
    rng = config.rng("incidents")
    days = config.days
    planned: list[Incident] = []
    used = np.zeros(config.campaigns, dtype=bool)
    for number in range(config.incidents):
        kind = KINDS[number % len(KINDS)]
        level = LEVELS[int(rng.integers(0, 3))] if number >= len(LEVELS) else LEVELS[number]
        length = int(rng.integers(3, 8))
        earliest = max(days - config.incident_window_days, 14)
        if days - length <= earliest:
            break
        onset = int(rng.integers(earliest, days - length))
        if number == config.incidents - 1:
            onset = days - length
        live = (spend[:, onset - 7 : onset + length] > 0).all(axis=1)
        weight = np.where(live & tree.seeks_leads[tree.ads.campaign], spend[:, onset], 0.0)
        index = _index(tree, level)
        by_entity = np.bincount(index, weights=weight, minlength=len(tree.levels[level]))
        campaign = tree.levels[level].campaign
        free = by_entity * ~used[campaign]
        by_entity = free if free.any() else by_entity
        # The larger half: an incident nobody could notice is no test of anything.
        positive = by_entity[by_entity > 0]
        if not positive.size:
            continue
        fit = np.flatnonzero(by_entity >= np.median(positive))
        root = int(fit[by_entity[fit] > 0][int(rng.integers(0, len(fit)))])
        used[campaign[root]] = True
        planned.append(Incident(kind, level.value, root, onset, onset + length - 1, FACTOR[kind]))
    if config.external_cpm_move and days > EXTERNAL_DAYS_BEFORE_END:
        onset = days - EXTERNAL_DAYS_BEFORE_END
        last = onset + EXTERNAL_DAYS - 1
        planned.append(Incident("CPM_SPIKE", ACCOUNT, 0, onset, last, 1.0 + config.external_cpm_move))
    return planned


def _index(tree: Tree, level: EntityType) -> np.ndarray:
    if level is EntityType.CAMPAIGN:
        return tree.ads.campaign
    return tree.ads.parent if level is EntityType.ADSET else np.arange(len(tree.ads))


def disturb(config: SyntheticConfig, tree: Tree, incidents: list[Incident]) -> Disturbance:
    """The incidents as factors on the figures of ads."""
    figure_of = {
        "ZERO_SPEND": "spend",
        "SPEND_SPIKE": "spend",
        "TRACKING_BREAK": "leads",
        "CTR_DROP": "ctr",
        "CPM_SPIKE": "cpm",
    }
    factors: dict[str, np.ndarray] = {}
    for incident in incidents:
        figure = figure_of[incident.kind]
        factor = factors.setdefault(figure, np.ones((config.ads, config.days)))
        factor[ads_of(tree, incident), incident.onset : incident.last + 1] *= incident.factor
    return Disturbance(
        spend=factors.get("spend"), ctr=factors.get("ctr"), cpm=factors.get("cpm"), leads=factors.get("leads")
    )
