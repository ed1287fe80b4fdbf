"""Accounts put through the decisions and through the naive rules, with the truth of every date beside."""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from benchmarks.accounts import END, Account, inputs_as_of, make_account, revisions_as_of
from benchmarks.decisions.naive import naive_rules
from benchmarks.decisions.truth import make_panel
from ml_assets.entities import LEVELS, EntityType
from ml_assets.features import FeatureInputs, compute_features
from ml_assets.recommendations.decide import decide
from ml_assets.recommendations.inputs import DecisionInputs
from ml_assets.recommendations.policy import Policy

DATES = 30


@dataclass(frozen=True)
class Trial:
    """Advice on some accounts: frames with a column `account` (the seed) before their own columns.

    `ours` and `naive` in DECISIONS, `panel` as `truth.make_panel` makes it.
    """

    ours: pl.DataFrame
    naive: pl.DataFrame
    panel: pl.DataFrame
    seconds: float
    """Deciding alone, all accounts."""

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return self.panel["account"].n_unique()

    @property
    def account_days(self) -> int:
        """Accounts x dates."""
        return self.panel.select("account", "date").n_unique()


def last_dates(count: int = DATES) -> list[dt.date]:
    """The last `count` days of the accounts, in order."""
    return [END - dt.timedelta(days=back) for back in reversed(range(count))]


def run(
    seeds: Sequence[int],
    dates: Sequence[dt.date],
    policy: Policy | None = None,
    *,
    as_of: bool = False,
    naive_days: int = 7,
    **config: object,
) -> Iterator[Trial]:
    """The trial of each seed's account, one after the other.

    `as_of`: every date is decided from what was known on the morning after it. Otherwise all dates are
    decided from what was known on the morning after the last one: late leads are in already.
    """
    for seed in seeds:
        account = make_account(seed, **config)
        everything = DecisionInputs(figures=account.inputs, revisions=account.revisions)
        views = _views_as_of(account, dates) if as_of else [(everything, list(dates))]
        yield _try_out(seed, account, views, policy, naive_days)


def combine(trials: Sequence[Trial]) -> Trial:
    """The trials of several accounts as one."""
    return Trial(
        ours=pl.concat(item.ours for item in trials),
        naive=pl.concat(item.naive for item in trials),
        panel=pl.concat(item.panel for item in trials),
        seconds=sum(item.seconds for item in trials),
    )


View = tuple[DecisionInputs, list[dt.date]]


def _views_as_of(account: Account, dates: Sequence[dt.date]) -> list[View]:
    source = account.source
    return [
        (DecisionInputs(inputs_as_of(source, date), revisions=revisions_as_of(source, date)), [date])
        for date in dates
    ]


def _try_out(
    seed: int, account: Account, views: Sequence[View], policy: Policy | None, naive_days: int
) -> Trial:
    targets = pl.concat(targets_on(inputs.figures, dates) for inputs, dates in views)
    all_dates = sorted({date for _, dates in views for date in dates})
    began = time.perf_counter()
    ours = pl.concat(decide(inputs, level, dates, policy) for inputs, dates in views for level in LEVELS)
    seconds = time.perf_counter() - began
    naive = pl.concat(
        naive_rules(inputs.figures.metrics, inputs.figures.entities, targets, dates, naive_days)
        for inputs, dates in views
    )
    panel = make_panel(account.source.truth, account.inputs.entities, targets, all_dates)
    number = pl.lit(seed, pl.Int64).alias("account")
    return Trial(
        ours=ours.select(number, pl.all()),
        naive=naive.select(number, pl.all()),
        panel=panel.select(number, pl.all()),
        seconds=seconds,
    )


def targets_on(inputs: FeatureInputs, dates: Sequence[dt.date]) -> pl.DataFrame:
    """campaign_id, date, target_cpl and seeks_leads of every campaign on each date."""
    return compute_features(inputs, EntityType.CAMPAIGN, dates).select(
        pl.col("entity_id").alias("campaign_id"),
        pl.col("feature_date").alias("date"),
        "target_cpl",
        "seeks_leads",
    )
