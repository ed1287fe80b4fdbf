"""An account whose leads stop being counted is not paused for it."""

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest

from benchmarks.accounts import END, Account, make_account
from ml_assets.entities import LEVELS
from ml_assets.features import FeatureInputs
from ml_assets.recommendations import decide
from ml_assets.recommendations.guards import LOOKS_DEAR
from ml_assets.recommendations.inputs import DecisionInputs

LOST_DAYS = 4


@pytest.fixture(scope="module")
def account() -> Account:
    return make_account(3, campaigns=3, adsets=8, ads=20, leads_per_ad_week=8.0, incidents=0)


def advised(figures: FeatureInputs) -> pl.DataFrame:
    return pl.concat(decide(DecisionInputs(figures), level, [END]) for level in LEVELS)


def with_days(account: Account, days: int, **columns: pl.Expr) -> FeatureInputs:
    """The account with figures of its last days replaced."""
    last = pl.col("date") > END - dt.timedelta(days=days)
    metrics = account.inputs.metrics.with_columns(
        pl.when(last).then(value).otherwise(name).alias(name) for name, value in columns.items()
    )
    return replace(account.inputs, metrics=metrics)


def test_nothing_is_stopped_for_want_of_leads_while_the_leads_of_the_whole_account_are_gone(
    account: Account,
) -> None:
    broken = advised(with_days(account, LOST_DAYS, leads=pl.lit(0, pl.Int64)))
    dear = broken.filter(pl.col("recommendation_type").is_in(LOOKS_DEAR))
    assert dear.height
    assert set(dear["blocked_by"]) <= {"tracking", "objective_not_leads"}


def test_an_account_whose_leads_come_as_usual_is_not_held_back(account: Account) -> None:
    assert "tracking" not in advised(account.inputs)["blocked_by"].to_list()


def test_an_account_that_lost_its_clicks_with_its_leads_is_not_taken_for_broken_tracking(
    account: Account,
) -> None:
    nothing = pl.lit(0, pl.Int64)
    waned = advised(with_days(account, LOST_DAYS, leads=nothing, clicks=nothing, link_clicks=nothing))
    assert "tracking" not in waned["blocked_by"].to_list()
