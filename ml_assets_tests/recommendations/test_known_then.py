"""A plan is made of what its morning knew: read again later, with all that came in since, it is the same."""

import datetime as dt
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from benchmarks.accounts import END, Account, inputs_as_of, make_account, revisions_as_of
from ml_assets.entities import LEVELS, EntityType
from ml_assets.features.estimates import estimate, grid_for
from ml_assets.features.grid import as_known_then
from ml_assets.recommendations import decide
from ml_assets.recommendations.inputs import DecisionInputs

ROW = ["entity_type", "entity_id", "date"]
NOT_LEADS = ["spend", "impressions", "clicks", "reach_bound", "known_at"]


@cache
def account() -> Account:
    return make_account(2, campaigns=3, adsets=8, ads=20, leads_per_ad_week=8.0)


@cache
def known_then(date: dt.date) -> DecisionInputs:
    """Inputs of the morning after `date`, but for money and clicks, of which later figures are taken."""
    then = inputs_as_of(account().source, date)
    later = account().inputs.metrics.select(*ROW, *NOT_LEADS)
    metrics = (
        then.metrics.drop(NOT_LEADS)
        .join(later, on=ROW, how="left", maintain_order="left")
        .select(then.metrics.columns)
    )
    return DecisionInputs(replace(then, metrics=metrics), revisions=revisions_as_of(account().source, date))


@pytest.mark.parametrize("back", [3, 12])
def test_leads_that_came_in_later_change_no_old_plan(back: int) -> None:
    date = END - dt.timedelta(days=back)
    now = DecisionInputs(account().inputs, revisions=account().revisions)
    for level in LEVELS:
        then, later = (decide(inputs, level, [date]).drop("data_as_of") for inputs in (known_then(date), now))
        assert_frame_equal(then, later)
        assert then.height or level is EntityType.CAMPAIGN


def test_without_what_was_known_then_the_old_plan_would_be_another() -> None:
    date = END - dt.timedelta(days=12)
    then = decide(known_then(date), EntityType.AD, [date]).drop("data_as_of")
    restated = decide(DecisionInputs(account().inputs), EntityType.AD, [date]).drop("data_as_of")
    assert not then.equals(restated)


@pytest.mark.parametrize("days", [1, 7, 14])
@pytest.mark.parametrize("shift", [0, 5])
def test_windows_of_leads_hold_what_the_morning_after_each_date_knew(days: int, shift: int) -> None:
    dates = [END - dt.timedelta(days=back) for back in (20, 13, 12, 2)]
    now = account().inputs
    tree = as_known_then(grid_for(now, EntityType.AD, dates), account().revisions, len(dates))
    at = tree.columns(dates)
    as_now = grid_for(now, EntityType.AD, dates)
    late = 0
    for level in LEVELS:
        windows = tree.levels[level].window("leads", at, days, shift)
        late += int((windows != as_now.levels[level].window("leads", at, days, shift)).sum())
        for column, date in enumerate(dates):
            then = grid_for(inputs_as_of(account().source, date), EntityType.AD, [date])
            grid = then.levels[level]
            of_then = grid.keys.with_columns(
                then=pl.Series(grid.window("leads", then.columns([date]), days, shift)[:, 0])
            )
            both = (
                tree.levels[level]
                .keys.with_columns(now=pl.Series(windows[:, column]))
                .join(of_then, on=["config_id", "entity_id"], how="left")
            )
            np.testing.assert_array_equal(both["now"], both["then"].fill_null(0.0))
    assert late or shift


def test_the_estimate_of_an_old_date_has_the_target_and_the_spread_of_its_morning() -> None:
    date = END - dt.timedelta(days=12)
    then_inputs = known_then(date)
    tree = grid_for(account().inputs, EntityType.AD, [date])
    later = estimate(
        account().inputs, EntityType.AD, [date], tree=as_known_then(tree, account().revisions, 1)
    )
    tree = grid_for(then_inputs.figures, EntityType.AD, [date])
    then = estimate(
        then_inputs.figures, EntityType.AD, [date], tree=as_known_then(tree, then_inputs.revisions, 1)
    )
    for level in LEVELS:
        shared = (
            then.levels[level]
            .level.keys["entity_id"]
            .is_in(later.levels[level].level.keys["entity_id"].implode())
        )
        assert shared.all()
        for name in ("target", "dispersion", "leads", "expected"):
            of_then = getattr(then.levels[level], name)
            of_later = getattr(later.levels[level], name)
            rows = (
                later.levels[level]
                .level.keys["entity_id"]
                .is_in(then.levels[level].level.keys["entity_id"].implode())
            )
            np.testing.assert_allclose(of_later[rows.to_numpy()], of_then, err_msg=name)
