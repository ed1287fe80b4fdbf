"""The error rates on cases made by hand: each test fails where the count would be flattered."""

import datetime as dt

import polars as pl
import pytest

from benchmarks.decisions.promises import calibration, money
from benchmarks.decisions.rates import (
    TOO_DEAR,
    Rate,
    cases,
    ever_given,
    findings,
    first_issues,
    gap_reasons,
    rate_of,
    should_be_found,
    stable,
)
from benchmarks.decisions.volume import contradictions, quiet_days
from ml_assets.frames import fill_missing
from ml_assets.recommendations.frames import DECISIONS
from ml_assets.recommendations.policy import Policy

FIRST = dt.date(2026, 6, 1)
T = 40.0


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def panel_of(true_cpl: dict[str, list[float | None]], **columns: object) -> pl.DataFrame:
    """Ads of one adset with the true CPL of each date; a null is a date without delivery."""
    rows = pl.DataFrame(
        [
            {"entity_id": name, "date": day(number), "true_cpl": value}
            for name, values in true_cpl.items()
            for number, value in enumerate(values)
        ],
        schema={"entity_id": pl.String, "date": pl.Date, "true_cpl": pl.Float64},
    )
    delivers = pl.col("true_cpl").is_not_null()
    family = pl.col("true_cpl").min().over("date")
    return rows.with_columns(
        account=pl.lit(1, pl.Int64),
        entity_type=pl.lit("ad"),
        parent_id=pl.lit("s"),
        campaign_id=pl.lit("c"),
        target_cpl=pl.lit(T),
        delivers=delivers,
        delivered_14d=delivers,
        spend_7d=pl.lit(100.0),
        spend_14d=pl.lit(200.0),
        expected_14d=pl.lit(200.0 / T),
        true_cpl_recorded="true_cpl",
        true_cpl_record="true_cpl",
        true_cpl_next_7d="true_cpl",
        true_lead_rate_change=pl.lit(0.0),
        is_cheapest=pl.col("true_cpl") <= family,
        is_cheapest_of_all=pl.col("true_cpl") <= family,
        is_dearest=pl.lit(value=False),
        is_fatigued=pl.lit(value=False),
        is_overlapping=pl.lit(value=False),
    ).with_columns(**columns)


def advice_of(*rows: tuple[str, str, int], **columns: object) -> pl.DataFrame:
    """Issued advice: (entity, type, number of the day)."""
    frame = pl.DataFrame(
        [(name, kind, day(number)) for name, kind, number in rows],
        schema={
            "entity_id": pl.String,
            "recommendation_type": pl.String,
            "recommendation_date": pl.Date,
        },
        orient="row",
    ).with_columns(config_id=pl.lit(1, pl.Int64), entity_type=pl.lit("ad"), target_cpl=pl.lit(T), **columns)
    return fill_missing(frame, DECISIONS).select(pl.lit(1, pl.Int64).alias("account"), pl.all())


def test_an_interval_of_nothing_says_nothing_and_of_no_errors_is_not_certain() -> None:
    assert Rate(0, 0).interval == (0.0, 1.0)
    low, high = Rate(0, 100).interval
    assert low == 0.0
    assert high == pytest.approx(0.0370, abs=1e-4)
    assert Rate(5, 100).interval == pytest.approx((0.0215, 0.1118), abs=1e-4)


def test_a_case_counts_once_and_is_judged_by_the_truth_of_its_first_date() -> None:
    panel = panel_of({"a": [30.0, 50.0, 50.0], "b": [90.0, 30.0, 30.0]})
    advice = advice_of(*((name, "PAUSE", number) for name in "ab" for number in range(3)))
    assert rate_of(first_issues(advice, panel), "is_wrong") == Rate(1, 2)


def test_blocked_rows_are_not_issued() -> None:
    panel = panel_of({"a": [30.0]})
    advice = advice_of(("a", "PAUSE", 0), blocked_by=pl.lit("immature"))
    assert rate_of(first_issues(advice, panel), "is_wrong") == Rate(0, 0)


@pytest.mark.parametrize(
    ("kind", "true_cpl", "is_wrong"),
    [
        ("PAUSE", T, True),
        ("PAUSE", T + 1, False),
        ("PAUSE", float("inf"), False),
        ("BUDGET_DECREASE", T - 1, True),
        ("SCALE_UP", T, True),
        ("SCALE_UP", T - 1, False),
        ("BUDGET_INCREASE", float("inf"), True),
        ("CREATIVE_TEST", T, None),
    ],
)
def test_on_the_target_a_pause_and_a_rise_are_both_wrong(
    kind: str, true_cpl: float, is_wrong: bool | None
) -> None:
    found = first_issues(advice_of(("a", kind, 0)), panel_of({"a": [true_cpl]}))
    assert found["is_wrong"].to_list() == [is_wrong]


def test_a_winner_is_wrong_unless_it_is_the_cheapest() -> None:
    panel = panel_of({"a": [30.0], "b": [29.0]})
    advice = advice_of(("a", "CREATIVE_WINNER", 0), ("b", "CREATIVE_WINNER", 0))
    found = first_issues(advice, panel).sort("entity_id")
    assert found["is_wrong"].to_list() == [True, False]


def test_leads_lost_by_broken_tracking_count_in_the_main_figure_alone() -> None:
    panel = panel_of({"a": [30.0]}, true_cpl_recorded=pl.lit(60.0))
    found = first_issues(advice_of(("a", "PAUSE", 0)), panel)
    assert found["is_wrong"].item()
    assert not found["is_wrong_recorded"].item()


def test_an_entity_is_stable_only_with_every_date_inside_the_band() -> None:
    panel = panel_of({"in": [33.0, 39.0], "out": [33.0, 41.0], "gap": [33.0, None]})
    entities = stable(panel, 0.8, 1.0)
    assert entities["entity_id"].to_list() == ["in"]
    assert ever_given(entities, advice_of(("in", "PAUSE", 1)), ["PAUSE"]) == Rate(1, 1)
    assert ever_given(entities, advice_of(("out", "PAUSE", 1)), ["PAUSE"]) == Rate(0, 1)


def test_what_should_be_found_is_issued_blocked_by_its_commonest_guard_or_undecided() -> None:
    names = ("given", "blocked", "silent", "other")
    panel = panel_of({name: [100.0, 100.0] for name in names} | {"fine": [60.0, 60.0]})
    found = should_be_found(panel, dear=True)
    assert set(found["entity_id"]) == set(names)
    blocked = [
        advice_of(("blocked", "PAUSE", 0), ("given", "PAUSE", 0), blocked_by=pl.lit("immature")),
        advice_of(
            ("blocked", "PAUSE", 1),
            ("blocked", "BUDGET_DECREASE", 1),
            blocked_by=pl.lit("plan"),
            plan_reason=pl.lit("below_the_fold"),
        ),
    ]
    advice = pl.concat([*blocked, advice_of(("given", "PAUSE", 1), ("other", "CREATIVE_REFRESH", 1))])
    outcomes = findings(found, advice, TOO_DEAR)
    assert dict(outcomes.select("entity_id", "outcome").rows()) == {
        "given": "issued",
        "blocked": "plan: below_the_fold",
        "silent": "undecided",
        "other": "undecided",
    }


def test_what_is_dear_without_spend_behind_it_need_not_be_found() -> None:
    panel = panel_of({"a": [100.0, 100.0]}, expected_14d=pl.lit(4.9))
    assert should_be_found(panel, dear=True).is_empty()


def test_share_of_dates_is_out_of_those_with_spend() -> None:
    panel = panel_of({"a": [100.0, 40.0, None, None], "b": [100.0, 40.0, 40.0, 40.0]})
    found = should_be_found(panel, dear=True).sort("entity_id")
    assert found["share"].to_list() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("given", "is_withdrawn", "is_flip", "is_back"),
    [
        ([0, 1, 2], True, False, False),
        ([0, 1, 3], True, True, True),
        ([0, 7], True, True, True),
        ([0, 8], True, False, True),
        ([17, 18, 19], False, False, False),
    ],
)
def test_a_flip_is_a_return_within_seven_days(
    given: list[int], is_withdrawn: bool, is_flip: bool, is_back: bool
) -> None:
    panel = panel_of({"a": [50.0] * 20})
    found = cases(advice_of(*(("a", "PAUSE", number) for number in given)), panel)
    assert found.select("is_withdrawn", "is_flip", "is_back").row(0) == (is_withdrawn, is_flip, is_back)
    assert found["days"].item() == len(given)


def test_days_on_which_the_entity_stands_still_withdraw_nothing() -> None:
    panel = panel_of({"a": [50.0, None, None, 50.0, None]})
    found = cases(advice_of(("a", "PAUSE", 0), ("a", "PAUSE", 3)), panel)
    assert found.select("is_withdrawn", "is_flip", "is_back").row(0) == (False, False, False)
    silent_day = panel_of({"a": [50.0, None, 50.0, 50.0, None]})
    assert cases(advice_of(("a", "PAUSE", 0), ("a", "PAUSE", 3)), silent_day)["is_flip"].item()


def test_a_flip_names_what_withdrew_it() -> None:
    panel = panel_of({"a": [50.0] * 9, "b": [50.0] * 9})
    given = advice_of(("a", "PAUSE", 0), ("a", "PAUSE", 3), ("b", "PAUSE", 0), ("b", "PAUSE", 2))
    folded = advice_of(("a", "PAUSE", 1), blocked_by=pl.lit("plan"), plan_reason=pl.lit("below_the_fold"))
    found = gap_reasons(pl.concat([given, folded]), panel)
    assert dict(found.rows()) == {"plan: below_the_fold": 1, "rule not in force": 1}


def test_what_was_done_already_is_not_advised_again() -> None:
    panel = panel_of({"a": [50.0] * 3})
    done = advice_of(("a", "PAUSE", 1), detected_at=pl.datetime(2026, 6, 2, time_zone="UTC"))
    assert cases(pl.concat([advice_of(("a", "PAUSE", 0)), done]), panel)["days"].item() == 1


def test_two_types_on_one_entity_are_two_cases() -> None:
    panel = panel_of({"a": [50.0] * 4})
    advice = advice_of(("a", "PAUSE", 0), ("a", "BUDGET_DECREASE", 1), ("a", "PAUSE", 2))
    found = cases(advice, panel)
    assert dict(found.select("recommendation_type", "is_flip").rows()) == {
        "PAUSE": True,
        "BUDGET_DECREASE": False,
    }


def test_a_pause_earns_its_spend_less_what_the_true_leads_are_worth() -> None:
    panel = panel_of({"dear": [80.0], "cheap": [20.0]})
    promise = {"spend_7d": 100.0, "money_per_week": 60.0, "money_lo_80": 40.0, "money_hi_80": 70.0}
    advice = advice_of(
        ("dear", "PAUSE", 0),
        ("cheap", "PAUSE", 0),
        **{name: pl.lit(value) for name, value in promise.items()},
    )
    found = money(advice, panel, Policy()).row(0, named=True)
    assert found["promised"] == 120.0
    assert found["true"] == pytest.approx((100 - 50) + (100 - 200))
    assert found["pays"] == 0.5
    assert found["inside_80"] == 0.5


def test_a_cut_keeps_the_leads_that_diminishing_returns_leave() -> None:
    panel = panel_of({"a": [80.0]})
    advice = advice_of(
        ("a", "BUDGET_DECREASE", 0),
        spend_7d=pl.lit(100.0),
        spend_per_week=pl.lit(-20.0),
        money_per_week=pl.lit(11.0),
    )
    found = money(advice, panel, Policy()).row(0, named=True)
    assert found["true"] == pytest.approx(20.0 - 50.0 * (1 - 0.8**0.8))


def test_probabilities_are_compared_with_their_own_claim() -> None:
    panel = panel_of({"a": [1.4 * T, 1.6 * T]})
    advice = advice_of(
        ("a", "PAUSE", 0), ("a", "PAUSE", 1), rule=pl.lit("hopeless_cpl"), probability=pl.lit(0.96)
    )
    found = calibration(advice, panel, Policy())
    assert found.select("bin", "rows", "true").row(0) == ("0.95-0.975", 2, 0.5)


def test_a_plan_that_contradicts_itself_is_counted() -> None:
    panel = panel_of({"a": [50.0], "b": [50.0]})
    campaign = advice_of(("c", "PAUSE", 0)).with_columns(entity_type=pl.lit("campaign"))
    adset = advice_of(("s", "BUDGET_DECREASE", 0), campaign_id=pl.lit("c")).with_columns(
        entity_type=pl.lit("adset")
    )
    ads = advice_of(
        ("a", "SCALE_UP", 0), ("a", "CREATIVE_TEST", 0), ("b", "PAUSE", 0), campaign_id=pl.lit("c")
    )
    found = contradictions(pl.concat([campaign, adset, ads]), panel)
    assert list(found.values()) == [0, 1, 2, 1]
    many = advice_of(*((str(number), "PAUSE", 0) for number in range(11)))
    assert contradictions(many, panel)["days with more than 10 issued"] == 1
    assert quiet_days(many, 4) == Rate(3, 4)
