"""The truth that decisions are judged by, and the naive rules they are compared with."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from benchmarks.accounts import END, inputs_as_of, make_account
from benchmarks.decisions.__main__ import main
from benchmarks.decisions.naive import naive_rules
from benchmarks.decisions.report import SECTIONS
from benchmarks.decisions.trial import last_dates, targets_on
from benchmarks.decisions.truth import make_panel
from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import ENTITIES, ENTITY_METRICS, fill_missing
from ml_assets.recommendations.decide import decide
from ml_assets.recommendations.inputs import DecisionInputs

DATE = dt.date(2026, 6, 30)
SMALL = {"campaigns": 3, "adsets": 8, "ads": 20, "incidents": 3}


def test_the_panel_holds_the_true_cpl_of_the_14_days_with_lost_leads_added_back() -> None:
    account = make_account(5, **SMALL)
    truth = account.source.truth
    dates = last_dates(30)
    panel = make_panel(truth, account.inputs.entities, targets_on(account.inputs, dates), dates)
    assert truth.days["lost_leads"].sum() > 0
    assert (panel["true_cpl"] < panel["true_cpl_recorded"]).any()
    for level in LEVELS:
        for date in (dates[0], dates[-1]):
            known = truth.true_cpl(level, date - dt.timedelta(days=13), date)
            whole = pl.col("spend") / (pl.col("expected_leads") + pl.col("lost_leads"))
            both = panel.filter(pl.col("entity_type") == level.value, pl.col("date") == date).join(
                known.with_columns(whole=whole, recorded=pl.col("true_cpl")).drop("true_cpl"), on="entity_id"
            )
            assert both.height
            assert both.select((pl.col("true_cpl") / pl.col("whole") - 1).abs().max()).item() < 1e-9
            assert (
                both.select((pl.col("true_cpl_recorded") / pl.col("recorded") - 1).abs().max()).item() < 1e-9
            )


def test_the_week_to_come_is_unknown_at_the_end_of_the_account() -> None:
    account = make_account(5, **SMALL)
    dates = last_dates(30)
    panel = make_panel(
        account.source.truth, account.inputs.entities, targets_on(account.inputs, dates), dates
    )
    known = panel.filter(pl.col("true_cpl_next_7d").is_not_null())
    assert known["date"].max() == END - dt.timedelta(days=7)


def test_exactly_one_of_the_delivering_siblings_is_the_cheapest() -> None:
    account = make_account(5, **SMALL)
    panel = make_panel(
        account.source.truth, account.inputs.entities, targets_on(account.inputs, [END]), [END]
    )
    families = panel.filter(pl.col("entity_type") == "ad", pl.col("delivers"), pl.col("is_cheapest"))
    assert families.height
    assert families["parent_id"].is_unique().all()


def test_as_of_a_past_morning_only_what_was_read_by_then_is_known() -> None:
    account = make_account(5, **SMALL)
    date = END - dt.timedelta(days=10)
    then = inputs_as_of(account.source, date)
    assert then.metrics["date"].max() == date
    last = pl.col("date") == date
    leads_then = then.metrics.filter(last)["leads"].sum()
    leads_now = account.inputs.metrics.filter(last)["leads"].sum()
    assert leads_then < leads_now


def naive_on(ads: dict[str, tuple[float, int]]) -> list[str]:
    """What the naive rules say on ad `a` of an adset of `ads`, each with spend and leads of its only day."""
    tree = pl.DataFrame(
        [("campaign", "c", None), ("adset", "s", "c"), *(("ad", name, "s") for name in ads)],
        schema=["entity_type", "entity_id", "parent_id"],
        orient="row",
    ).with_columns(config_id=pl.lit(1, pl.Int64), campaign_id=pl.lit("c"))
    figures = [("ad", name, spend, leads) for name, (spend, leads) in ads.items()]
    total = (sum(spend for spend, _ in ads.values()), sum(leads for _, leads in ads.values()))
    metrics = pl.DataFrame(
        [("campaign", "c", *total), ("adset", "s", *total), *figures],
        schema=["entity_type", "entity_id", "spend", "leads"],
        orient="row",
    ).with_columns(
        config_id=pl.lit(1, pl.Int64),
        date=pl.lit(DATE),
        impressions=pl.lit(1000),
        spend=pl.col("spend").cast(pl.Float64),
    )
    targets = pl.DataFrame(
        {"campaign_id": ["c"], "date": [DATE], "target_cpl": [40.0], "seeks_leads": [True]}
    )
    found = naive_rules(fill_missing(metrics, ENTITY_METRICS), fill_missing(tree, ENTITIES), targets, [DATE])
    return sorted(found.filter(pl.col("entity_id") == "a")["recommendation_type"])


@pytest.mark.parametrize(
    ("ads", "advice"),
    [
        # The mean is 40; 84 / 3 is exactly 0.7 of it, and less than 0.7 of the other ads' 45.
        ({"a": (84.0, 3), "b": (176.0, 4), "c": (140.0, 3)}, ["CREATIVE_WINNER", "SCALE_UP"]),
        ({"a": (50.0, 2), "b": (176.0, 4), "c": (174.0, 4)}, []),
        ({"a": (100.0, 0), "b": (300.0, 10)}, ["PAUSE"]),
        ({"a": (99.0, 0), "b": (301.0, 10)}, []),
        ({"a": (100.0, 1), "b": (300.0, 9)}, ["PAUSE"]),
        ({"a": (99.0, 1), "b": (301.0, 9)}, []),
    ],
)
def test_the_naive_rules_are_the_thresholds_they_claim_to_be(
    ads: dict[str, tuple[float, int]], advice: list[str]
) -> None:
    assert naive_on(ads) == advice


def test_the_measurement_runs_and_keeps_its_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--small", "--dates", "5", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert all(f"**{title}**" in printed for title in SECTIONS)
    assert "nan" not in printed
    assert pl.read_parquet(tmp_path / "ours.parquet")["account"].unique().to_list() == [0]


def test_an_account_whose_versions_are_not_known_is_still_advised() -> None:
    account = make_account(0, **SMALL)
    unversioned = replace(account.inputs, versions=account.inputs.versions.clear())
    decided = decide(DecisionInputs(unversioned), EntityType.CAMPAIGN, last_dates(30))
    assert decided.height
    assert "recent_edit" not in decided["blocked_by"].to_list()
