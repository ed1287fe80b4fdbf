"""From rates and budgets to figures: spend -> impressions -> clicks -> leads, per ad and day.

Figures are final here; when they became visible is drawn in `late`.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.sources.synthetic.config import SyntheticConfig
from ml_assets.sources.synthetic.incidents import Disturbance, Incident, disturb, plan_incidents
from ml_assets.sources.synthetic.management import Management
from ml_assets.sources.synthetic.rates import Calendar, Rates
from ml_assets.sources.synthetic.tree import Tree, sum_children

CLICK_DISPERSION = 1.3
LINK_CLICK_SHARE, TRAFFIC_LINK_CLICK_SHARE = 0.66, 0.9
SPEND_NOISE_SHAPE = 40.0
IMPRESSION_NOISE_SHAPE = 150.0
LEAST_DISPERSION = 1e-6
"""Over 1: a negative binomial this close to Poisson is one, and needs no case of its own."""


@dataclass(frozen=True)
class Cells:
    """Ad days with delivery, flat arrays sorted by ad, then day."""

    ad: np.ndarray  # index
    day: np.ndarray  # index
    cents: np.ndarray  # spend in hundredths of the currency
    impressions: np.ndarray
    clicks: np.ndarray
    link_clicks: np.ndarray
    leads: np.ndarray
    expected_leads: np.ndarray  # of the recorded leads, given the spend
    lost_leads: np.ndarray  # expected leads that broken tracking did not record
    expected_clicks: np.ndarray  # given the impressions


def negative_binomial(rng: np.random.Generator, mean: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    """Counts with the given means and variance/mean; 0 where the mean is 0."""
    over = np.maximum(dispersion - 1.0, LEAST_DISPERSION)
    return rng.negative_binomial(np.maximum(mean, 1e-12) / over, 1.0 / (1.0 + over))


def intended_spend(
    config: SyntheticConfig, tree: Tree, management: Management, calendar: Calendar
) -> np.ndarray:
    """Spend before incidents, [ads, days].

    The owner of a budget spends it over the ads that can deliver. Where part of them rests, the others
    take over some, not all of it.
    """
    rng = config.rng("spend")
    shape = (config.ads, config.days)
    delivers = rng.random(shape) >= config.silent_day_share
    weight = tree.weight[:, None] * management.fraction * delivers
    owner = management.owner
    able = sum_children(weight, owner)
    all_ads = sum_children(tree.weight, owner)[:, None]
    taken_over = np.sqrt(np.minimum(able / all_ads, 1.0))
    per_weight = np.divide(
        management.spend_budget * taken_over, able, out=np.zeros_like(able), where=able > 0
    )
    noise = rng.gamma(SPEND_NOISE_SHAPE, 1.0 / SPEND_NOISE_SHAPE, shape)
    return weight * per_weight[owner] * noise * calendar.spend


def deliver(
    config: SyntheticConfig, tree: Tree, management: Management, rates: Rates, calendar: Calendar
) -> tuple[Cells, list[Incident]]:
    """All ad days with delivery, and the incidents that disturbed them."""
    spend = intended_spend(config, tree, management, calendar)
    incidents = plan_incidents(config, tree, spend)
    disturbance = disturb(config, tree, incidents)
    if disturbance.spend is not None:
        spend = spend * disturbance.spend
    return _draw(config, tree, rates, disturbance, np.round(spend * 100).astype(np.int64)), incidents


def _draw(
    config: SyntheticConfig, tree: Tree, rates: Rates, disturbance: Disturbance, cents: np.ndarray
) -> Cells:
    rng = config.rng("delivery")
    ad, day = np.nonzero(cents > 0)
    spend = cents[ad, day] / 100.0

    def factor(matrix: np.ndarray | None) -> np.ndarray | float:
        return 1.0 if matrix is None else matrix[ad, day]

    cpm = np.exp(rates.log_cpm[ad, day]) * factor(disturbance.cpm)
    ctr = np.exp(rates.log_ctr[ad, day]) * factor(disturbance.ctr)
    leads_per_click = np.exp(rates.log_leads_per_click[ad, day])
    recorded = factor(disturbance.leads)

    noise = rng.gamma(IMPRESSION_NOISE_SHAPE, 1.0 / IMPRESSION_NOISE_SHAPE, len(ad))
    impressions = rng.poisson(1000.0 * spend / cpm * noise)
    dispersion = np.full(len(ad), CLICK_DISPERSION)
    clicks = np.minimum(negative_binomial(rng, impressions * ctr, dispersion), impressions)
    seeks = tree.seeks_leads[tree.ads.campaign[ad]]
    link_clicks = rng.binomial(clicks, np.where(seeks, LINK_CLICK_SHARE, TRAFFIC_LINK_CLICK_SHARE))
    # Clicks vary too: of the asked dispersion of leads, that part is there already.
    dispersion = config.dispersion - leads_per_click * CLICK_DISPERSION
    leads = negative_binomial(rng, clicks * leads_per_click * recorded, dispersion)

    expected = 1000.0 * spend / cpm * ctr * leads_per_click
    kept = impressions > 0  # a day without impressions costs nothing and has no row
    return Cells(
        ad=ad[kept],
        day=day[kept],
        cents=cents[ad, day][kept],
        impressions=impressions[kept],
        clicks=clicks[kept],
        link_clicks=link_clicks[kept],
        leads=leads[kept],
        expected_leads=(expected * recorded)[kept],
        lost_leads=(expected * (1.0 - recorded))[kept],
        expected_clicks=(impressions * ctr)[kept],
    )


def add_residual(config: SyntheticConfig, tree: Tree, cells: Cells) -> Cells:
    """Figures of deleted adsets: in their campaigns' rows alone. `ad` holds the *campaign's* index here.

    A deleted adset ran over the second third of the period, at its campaign's rates.
    """
    rng = config.rng("residual")
    days = config.days
    # Of the larger half of the campaigns: a residual of cents is none.
    size = np.bincount(tree.ads.campaign, weights=tree.weight)
    larger = np.argsort(-size)[: max((config.campaigns + 1) // 2, config.residual_campaigns)]
    chosen = rng.permutation(larger)[: config.residual_campaigns]
    campaign = tree.ads.campaign[cells.ad]
    within = np.isin(campaign, chosen) & (cells.day >= days // 3) & (cells.day < 2 * days // 3)
    key, inverse = np.unique(campaign[within] * days + cells.day[within], return_inverse=True)

    def share(values: np.ndarray) -> np.ndarray:
        return config.residual_share * np.bincount(inverse, weights=values[within], minlength=len(key))

    impressions = np.ceil(share(cells.impressions)).astype(np.int64)
    clicks = np.minimum(rng.poisson(share(cells.expected_clicks)), impressions)
    expected = share(cells.expected_leads)
    return Cells(
        ad=key // days,
        day=key % days,
        cents=np.ceil(share(cells.cents)).astype(np.int64),
        impressions=impressions,
        clicks=clicks,
        link_clicks=rng.binomial(clicks, LINK_CLICK_SHARE),
        leads=rng.poisson(expected),
        expected_leads=expected,
        lost_leads=share(cells.lost_leads),
        expected_clicks=share(cells.expected_clicks),
    )
