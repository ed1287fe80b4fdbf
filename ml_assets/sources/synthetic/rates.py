"""The true rates behind the figures: CPM, CTR and leads per click of every ad on every day.

A rate is the product of what the account, the campaign, the adset and the ad contribute, of slow drift,
weekday, holiday and fatigue. Incidents come on top in `incidents`.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.sources.synthetic.config import SyntheticConfig
from ml_assets.sources.synthetic.management import Management
from ml_assets.sources.synthetic.tree import Tree

# Monday to Sunday, relative to the mean day.
WEEKDAY_SPEND = np.array([1.03, 1.04, 1.03, 1.01, 0.99, 0.94, 0.96])
WEEKDAY_LEADS_PER_CLICK = np.array([1.08, 1.07, 1.05, 1.00, 0.95, 0.92, 0.93])
WEEKDAY_CPM = np.array([0.99, 0.99, 1.00, 1.01, 1.03, 1.00, 0.98])

HOLIDAY_SPEND, HOLIDAY_LEADS_PER_CLICK, HOLIDAY_CPM = 0.85, 0.72, 1.08

TRAFFIC_CTR, TRAFFIC_LEADS_PER_CLICK = 1.8, 0.02
"""A campaign that seeks clicks gets more of them and hardly a lead."""


@dataclass(frozen=True)
class Calendar:
    """Factors per day, and which days are holidays."""

    spend: np.ndarray
    cpm: np.ndarray
    leads_per_click: np.ndarray
    is_holiday: np.ndarray


@dataclass(frozen=True)
class Rates:
    """Logs of the rates, [ads, days] unless said otherwise."""

    log_ctr: np.ndarray  # clicks (all) per impression
    log_cpm: np.ndarray
    log_leads_per_click: np.ndarray


def make_calendar(config: SyntheticConfig) -> Calendar:
    """Weekday rhythm and holidays of the account's days."""
    dates = config.dates()
    weekday = (dates.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    is_holiday = np.isin([str(date)[5:] for date in dates], config.holidays)

    def factor(by_weekday: np.ndarray, on_holiday: float) -> np.ndarray:
        rhythm = by_weekday[weekday] ** config.weekday_strength
        return rhythm * np.where(is_holiday, on_holiday, 1.0)

    return Calendar(
        spend=factor(WEEKDAY_SPEND, HOLIDAY_SPEND),
        cpm=factor(WEEKDAY_CPM, HOLIDAY_CPM),
        leads_per_click=factor(WEEKDAY_LEADS_PER_CLICK, HOLIDAY_LEADS_PER_CLICK),
        is_holiday=is_holiday,
    )


def _walk(rng: np.random.Generator, step: float, shape: tuple[int, ...]) -> np.ndarray:
    """A random walk along the last axis, centred so that drift moves rates around their level."""
    walk = np.cumsum(rng.normal(0.0, step, shape), axis=-1)
    return walk - walk.mean(axis=-1, keepdims=True)


def make_rates(config: SyntheticConfig, tree: Tree, management: Management, calendar: Calendar) -> Rates:
    """The true rates, deterministic per config.

    Spend / (1000 CPM^-1 CTR leads_per_click) is the CPL, so the relative lead rate of an entity is
    split over the three: part moves the CTR, independent parts of CTR and CPM cancel within the chain.
    """
    rng = config.rng("rates")
    campaigns, adsets, ads = tree.campaigns, tree.adsets, tree.ads
    relative = campaigns.log_rate[ads.campaign] + adsets.log_rate[ads.parent] + ads.log_rate
    ctr = (
        0.4 * campaigns.log_rate[ads.campaign]
        + 0.5 * ads.log_rate
        + rng.normal(0.0, 0.10, config.campaigns)[ads.campaign]
        + rng.normal(0.0, 0.15, config.ads)
    )
    cpm = rng.normal(0.0, 0.15, config.adsets)[ads.parent]
    seeks = tree.seeks_leads[ads.campaign]
    goal_ctr = np.where(seeks, 0.0, np.log(TRAFFIC_CTR))
    goal_leads = np.where(seeks, 0.0, np.log(TRAFFIC_LEADS_PER_CLICK))

    campaign_drift = _walk(rng, config.drift, (config.campaigns, config.days))[ads.campaign]
    ad_drift = _walk(rng, config.drift, (config.ads, config.days))
    market = _walk(rng, config.market_drift, (config.days,))

    log_ctr = np.log(config.base_ctr) + (ctr + goal_ctr)[:, None] + 0.5 * ad_drift
    fatigue = management.fatigue
    log_ctr[fatigue.ad] += np.log(fatigue.ctr_factor(config.days))
    base_leads_per_click = config.base_cpm / 1000 / config.base_ctr / config.base_cpl
    return Rates(
        log_ctr=log_ctr,
        log_cpm=np.log(config.base_cpm) + cpm[:, None] + (market + np.log(calendar.cpm)),
        log_leads_per_click=(
            np.log(base_leads_per_click)
            + (relative - ctr + cpm + goal_leads)[:, None]
            + campaign_drift
            + 0.5 * ad_drift
            + np.log(calendar.leads_per_click)
        ),
    )
