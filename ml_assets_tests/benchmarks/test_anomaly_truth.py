"""The truth that incidents are scored by, and the naive alarms they are compared with."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.accounts import END, Account, make_account
from benchmarks.anomalies.__main__ import main
from benchmarks.anomalies.naive import naive_alarms
from benchmarks.anomalies.report import SECTIONS
from benchmarks.anomalies.speed import pandas_alarms
from benchmarks.anomalies.trial import FRAMES
from benchmarks.anomalies.truth import Happened, undisturbed, what_happened
from benchmarks.decisions.trial import targets_on

SMALL = {"campaigns": 6, "adsets": 14, "ads": 34, "leads_per_ad_week": 12.0}
DATES = [END - dt.timedelta(days=back) for back in reversed(range(28))]
ON_DAY = ["entity_type", "entity_id", "date"]


@pytest.fixture(scope="module")
def account() -> Account:
    return make_account(5, **SMALL, incidents=5, incident_window_days=28)


@pytest.fixture(scope="module")
def truth(account: Account) -> Happened:
    return what_happened(account.source, account.inputs.entities, targets_on(account.inputs, DATES))


def test_without_incidents_the_account_spends_the_same_where_none_was(
    account: Account, truth: Happened
) -> None:
    actual = account.source.truth.days.select(*ON_DAY, "spend")
    expected = undisturbed(account.source).truth.days.select(*ON_DAY, "spend")
    both = actual.join(expected, on=ON_DAY, how="full", coalesce=True, suffix="_expected").fill_null(0.0)
    differs = both.filter((pl.col("spend") - pl.col("spend_expected")).abs() > 0.005)
    spends = truth.incidents.filter(pl.col("kind").is_in(["ZERO_SPEND", "SPEND_SPIKE"]))
    related = spends.join(truth.kin, on=["entity_type", "entity_id"]).select(
        entity_type="kin_type", entity_id="kin_id", date="date"
    )
    assert differs.height
    assert differs.join(related, on=ON_DAY, how="anti").is_empty()


def test_what_is_at_stake_is_the_spend_that_went_or_came(account: Account, truth: Happened) -> None:
    spike = truth.incidents.filter(pl.col("kind") == "SPEND_SPIKE").sort("date").row(0, named=True)
    spent = account.source.truth.days.filter(
        pl.col("entity_id") == spike["entity_id"], pl.col("date") == spike["date"]
    )["spend"].item()
    target = targets_on(account.inputs, DATES).filter(pl.col("date") == spike["date"])["target_cpl"][0]
    assert spike["change_t"] == pytest.approx(spent * 2 / 3 / target, rel=0.01)
    assert spike["day"] == 1
    assert spike["is_decidable"] == (spike["change_t"] >= 1)
    assert spike["usual_change_t"] == pytest.approx(spike["change_t"], rel=0.6)
    stopped = truth.incidents.filter(pl.col("kind") == "ZERO_SPEND")
    assert (stopped["change_t"] > 0).all()
    assert (truth.incidents["leads_visible"] < truth.incidents["leads_final"]).all()


def test_edits_show_for_two_days_and_a_pause_until_it_ends(account: Account, truth: Happened) -> None:
    edits = account.source.truth.edits
    days = truth.causes.filter(pl.col("cause") == "edit")
    for edit in edits.select(*ON_DAY).unique().head(20).rows():
        on = days.filter(pl.col("entity_type") == edit[0], pl.col("entity_id") == edit[1])["date"].to_list()
        assert edit[2] in on
        assert edit[2] + dt.timedelta(days=1) in on
    ended = edits.filter(pl.col("field") == "status", pl.col("after") == "ACTIVE").row(0, named=True)
    paused = truth.causes.filter(pl.col("cause") == "pause", pl.col("entity_id") == ended["entity_id"])
    assert ended["date"] in paused["date"].to_list()
    assert ended["date"] + dt.timedelta(days=1) not in paused["date"].to_list()


def test_naive_alarms_fire_on_ten_times_the_spend_and_not_on_the_same_again() -> None:
    days = [DATES[0] + dt.timedelta(days=number) for number in range(28)]
    spend = [100.0 + number % 3 for number in range(27)] + [1000.0]
    flat = {"impressions": [1000] * 28, "clicks": [50] * 28, "leads": [2] * 28}
    rows = pl.DataFrame({"date": days, "spend": spend, **flat}).with_columns(
        entity_type=pl.lit("ad"), entity_id=pl.lit("a")
    )
    alarms = naive_alarms(rows, [days[-2], days[-1]])
    assert set(alarms["date"]) == {days[-1]}
    assert set(alarms["kind"]) == {"SPEND_SPIKE", "CPM_SPIKE", "CPL_SPIKE"}


def test_naive_alarms_take_a_day_without_a_row_for_zeros_and_wait_for_two_weeks() -> None:
    days = [DATES[0] + dt.timedelta(days=number) for number in range(20)]
    rows = pl.DataFrame(
        {
            "date": days,
            "spend": [100.0 + number % 3 for number in range(20)],
            "impressions": [1000] * 20,
            "clicks": [50] * 20,
            "leads": [2] * 20,
        }
    ).with_columns(entity_type=pl.lit("ad"), entity_id=pl.lit("a"))
    stopped = naive_alarms(rows, [days[-1] + dt.timedelta(days=1)])
    assert set(stopped["kind"]) >= {"SPEND_DROP"}
    assert "CPM_DROP" not in set(stopped["kind"])
    assert naive_alarms(rows.head(13), [days[13]]).is_empty()


def test_a_loop_in_pandas_finds_what_the_naive_alarms_find() -> None:
    random = np.random.default_rng(3)
    days = [END - dt.timedelta(days=back) for back in range(40)]
    rows = pl.DataFrame(
        {
            "entity_id": [f"{name:02}" for name in range(30) for _ in days],
            "date": days * 30,
            "spend": random.gamma(2.0, 20.0, 1200).round(2),
            "impressions": random.poisson(2000, 1200),
            "clicks": random.poisson(30, 1200),
            "leads": random.poisson(0.7, 1200),
        }
    ).with_columns(entity_type=pl.lit("ad"))
    alarms = set(naive_alarms(rows, [END]).select("entity_id", "metric").rows())
    looped = rows.drop("entity_type").to_pandas()
    looped["date"] = looped["date"].astype("datetime64[us]")
    assert alarms
    assert set(pandas_alarms(looped, END)) == alarms


@pytest.mark.slow
def test_the_proof_runs_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--small", "--dates", "3", "--verbose", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert all(f"**{title}**" in printed for title in SECTIONS)
    assert {path.stem for path in tmp_path.iterdir()} == set(FRAMES)
