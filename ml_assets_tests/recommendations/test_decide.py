"""Decisions on small accounts made by hand: what they lack, what people did, levels that agree."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_assets.entities import LEVELS, EntityType
from ml_assets.features import FeatureInputs
from ml_assets.recommendations import Policy, decide
from ml_assets.recommendations.frames import DECISIONS, GUARDS, SUSPENSIONS, USER_ACTIONS
from ml_assets.recommendations.inputs import DecisionInputs
from ml_assets_tests.features.frames_made import (
    D,
    Row,
    account,
    ad,
    adset,
    campaign,
    day,
    every_day,
    feature_inputs,
    frame,
    small_tree,
)

CAMPAIGN, ADSET, AD = LEVELS
DAYS = range(70)
DEAR = {"spend": 40.0, "leads": 0}
CHEAP = {"spend": 40.0, "leads": 12}
FAIR = {"spend": 40.0, "leads": 4}


def tree(**budgets: float) -> list[Row]:
    """A campaign of two adsets with three and one ads; `budgets` are daily budgets of entities."""
    made = [
        campaign("c1"), adset("s1", "c1"), adset("s2", "c1"),
        ad("a1", "s1", "c1"), ad("a2", "s1", "c1"), ad("a3", "s1", "c1"), ad("b1", "s2", "c1"),
    ]  # fmt: skip
    return [row | {"daily_budget": budgets.get(row["entity_id"])} for row in made]


def rows(**of_ads: dict[str, Any]) -> list[Row]:
    return [row for name, values in of_ads.items() for row in every_day("ad", name, DAYS, **values)]


def inputs(
    insights: list[Row],
    entities: list[Row] | None = None,
    versions: list[Row] | None = None,
    **of_account: Any,
) -> DecisionInputs:
    return DecisionInputs(
        feature_inputs(entities or tree(), insights, [account(**of_account)], versions or [])
    )


ORDINARY = rows(a1=DEAR, a2=CHEAP, a3=FAIR, b1=FAIR)


def told(
    made: DecisionInputs, level: EntityType, entity_id: str, kind: str, dates: list[dt.date]
) -> list[str]:
    """Per date what is said of an entity and type: "" where it is issued, "-" where there is no row."""
    found = decide(made, level, dates).filter(
        pl.col("entity_id") == entity_id, pl.col("recommendation_type") == kind
    )
    by_date = {
        row["recommendation_date"]: "done"
        if row["detected_at"]
        else (row["plan_reason"] or row["blocked_by"] or "")
        for row in found.iter_rows(named=True)
    }
    return [by_date.get(date, "-") for date in dates]


def version(level: str, entity_id: str, known_at: dt.datetime, text: str) -> Row:
    return {
        "config_id": 1, "entity_type": level, "entity_id": entity_id, "known_at": known_at, "fields": text,
    }  # fmt: skip


def noon(back: int) -> dt.datetime:
    return dt.datetime.combine(day(back), dt.time(12), dt.UTC)


def test_what_costs_money_and_brings_no_leads_is_to_be_paused_and_what_is_cheap_to_be_grown() -> None:
    made = inputs(ORDINARY)
    assert told(made, AD, "a1", "PAUSE", [D]) == [""]
    found = decide(made, AD, [D])
    assert found.schema == DECISIONS
    cheap = found.filter(pl.col("entity_id") == "a2", pl.col("blocked_by").is_null())
    assert cheap["recommendation_type"].to_list() in (["SCALE_UP"], ["CREATIVE_WINNER"])
    assert found.filter(pl.col("entity_id") == "a1", pl.col("recommendation_type") != "PAUSE").is_empty()


def _without(column: str) -> Callable[[FeatureInputs], FeatureInputs]:
    def changed(figures: FeatureInputs) -> FeatureInputs:
        dtype = figures.metrics.schema[column]
        return replace(figures, metrics=figures.metrics.with_columns(pl.lit(None, dtype).alias(column)))

    return changed


LACKS: dict[str, DecisionInputs] = {
    "no target and no leads": inputs(rows(a1=DEAR, a2=DEAR), target_cpl=None),
    "no target": inputs(ORDINARY, target_cpl=None),
    "no figures": inputs([]),
    "no entities": DecisionInputs(feature_inputs([], [], [account()])),
    "one ad": inputs(rows(a1=DEAR), [campaign("c1"), adset("s1", "c1"), ad("a1", "s1", "c1")]),
    "no clicks": DecisionInputs(_without("clicks")(inputs(ORDINARY).figures)),
    "leads unknown": DecisionInputs(_without("leads")(inputs(ORDINARY).figures)),
    "no zone": inputs(ORDINARY, timezone=None),
    "budget of nothing": inputs(ORDINARY, tree(c1=0.0, s1=0.0)),
    "a monthly budget overdrawn": inputs(ORDINARY, tree(c1=500.0), monthly_budget=10.0),
    "spend of nothing": inputs(rows(a1={"spend": 0.0, "leads": 3}, a2={"spend": 0.0, "leads": 0})),
    "not about leads": inputs(ORDINARY, [tree()[0] | {"objective": "OUTCOME_TRAFFIC"}, *tree()[1:]]),
}


@pytest.mark.parametrize("lacking", LACKS)
def test_an_account_that_lacks_something_gets_sensible_rows(lacking: str) -> None:
    for level in LEVELS:
        found = decide(LACKS[lacking], level, [day(9), D])
        assert found.schema == DECISIONS
        assert set(found["blocked_by"].drop_nulls()) <= set(GUARDS)
        key = ["entity_id", "recommendation_date", "recommendation_type"]
        assert found.select(key).is_unique().all()
        numbers = found.select(pl.col(pl.Float64))
        assert not any(series.is_nan().any() or series.is_infinite().any() for series in numbers)
        of_leads = found.filter(~pl.col("recommendation_type").is_in(["CREATIVE_REFRESH", "AUDIENCE_REVIEW"]))
        if lacking in ("no target and no leads", "leads unknown", "no figures", "not about leads"):
            assert of_leads.filter(pl.col("blocked_by").is_null()).is_empty()


def test_no_accounts_and_no_dates_are_no_rows() -> None:
    made = inputs(ORDINARY)
    assert decide(made, AD, []).schema == DECISIONS
    none = replace(made, figures=replace(made.figures, accounts=made.figures.accounts.clear()))
    assert decide(none, AD, [D]).is_empty()


def test_a_dear_only_child_is_left_to_its_parent() -> None:
    found = decide(inputs(rows(a2=FAIR, a3=FAIR, b1=DEAR)), AD, [D])
    pause = found.filter(pl.col("entity_id") == "b1", pl.col("recommendation_type") == "PAUSE")
    assert pause["blocked_by"].to_list() in (["plan"], ["last_active_child"])


def test_a_sibling_that_was_paused_yesterday_does_not_run() -> None:
    paused = version("ad", "a1", noon(1), '{"status":"PAUSED","effective_status":"PAUSED"}')
    active = version("ad", "a1", noon(60), '{"status":"ACTIVE","effective_status":"ACTIVE"}')
    two = [row for row in tree() if row["entity_id"] != "a3"]
    cheap_above = rows(a1=CHEAP, a2=DEAR, b1=CHEAP)
    assert told(inputs(cheap_above, two), AD, "a2", "PAUSE", [D]) == [""]
    made = inputs(
        [row for row in cheap_above if not (row["entity_id"] == "a1" and row["date"] == D)],
        two,
        [active, paused],
    )
    assert told(made, AD, "a2", "PAUSE", [day(2), day(1)]) == ["", "last_active_child"]


def test_a_pause_seen_in_the_versions_ends_the_case_as_done() -> None:
    versions = [
        version("ad", "a1", noon(60), '{"status":"ACTIVE","effective_status":"ACTIVE"}'),
        version("ad", "a1", noon(2), '{"status":"PAUSED","effective_status":"PAUSED"}'),
    ]
    until = [row for row in ORDINARY if row["entity_id"] != "a1" or row["date"] < day(2)]
    made = inputs(until, versions=versions)
    dates = [day(4), day(3), day(2), day(1)]
    assert told(made, AD, "a1", "PAUSE", dates) == ["", "", "done", "-"]
    done = decide(made, AD, [day(2)]).filter(pl.col("detected_at").is_not_null()).row(0, named=True)
    assert done["detected_at"] == noon(2)
    assert done["blocked_by"] is None
    assert done["first_date"] < day(2)


def action(what: str, back: int, **values: Any) -> pl.DataFrame:
    row = {
        "config_id": 1, "entity_type": "ad", "entity_id": "a1", "recommendation_type": "PAUSE",
        "case_id": "x", "action": what, "at": noon(back), "confidence_score": 0.999999, **values,
    }  # fmt: skip
    return frame([row], USER_ACTIONS)


def test_a_dismissed_one_is_quiet_from_its_day_on_and_earlier_days_do_not_know() -> None:
    made = replace(inputs(ORDINARY), actions=action("dismissed", 15))
    dates = [day(back) for back in (17, 16, 15, 14, 2, 1, 0)]
    assert told(made, AD, "a1", "PAUSE", dates) == ["", "", *["dismissed"] * 3, "", ""]


def test_an_applied_one_cools_down() -> None:
    made = replace(inputs(ORDINARY), actions=action("applied", 5))
    assert told(made, AD, "a1", "PAUSE", [day(back) for back in (6, 5, 4, 3, 2)]) == [
        "", "cooldown", "cooldown", "cooldown", "",
    ]  # fmt: skip


def test_an_action_after_midnight_counts_for_the_day_it_is_where_the_account_is() -> None:
    late = dt.datetime.combine(day(4), dt.time(2), dt.UTC)  # in Sao Paulo the evening of the day before
    made = replace(inputs(ORDINARY, timezone="America/Sao_Paulo"), actions=action("dismissed", 0, at=late))
    assert told(made, AD, "a1", "PAUSE", [day(6), day(5), day(4)]) == ["", "dismissed", "dismissed"]


def test_a_suspended_level_is_blocked_on_its_date_and_the_others_go_on() -> None:
    row = {"config_id": 1, "entity_type": "ad", "date": D, "guard": "data_quality"}
    made = replace(inputs(ORDINARY), suspensions=frame([row], SUSPENSIONS))
    assert told(made, AD, "a1", "PAUSE", [day(1), D]) == ["", "data_quality"]


def test_who_owns_the_budget_decides_who_is_told_to_change_it() -> None:
    all_cheap = rows(a1=CHEAP, a2=CHEAP, a3=CHEAP, b1=CHEAP)
    of_campaign = inputs(all_cheap, tree(c1=160.0), monthly_budget=100_000.0)
    assert told(of_campaign, CAMPAIGN, "c1", "SCALE_UP", [D]) == [""]
    assert told(of_campaign, ADSET, "s1", "SCALE_UP", [D]) == ["budget_owner"]
    of_adsets = inputs(all_cheap, tree(s1=120.0, s2=40.0), monthly_budget=100_000.0)
    assert told(of_adsets, CAMPAIGN, "c1", "SCALE_UP", [D]) == ["budget_owner"]
    assert told(of_adsets, ADSET, "s1", "SCALE_UP", [D]) == [""]
    assert told(inputs(all_cheap, tree(s1=120.0, s2=40.0)), ADSET, "s1", "SCALE_UP", [D]) == ["budget"]


def test_a_budget_that_is_not_spent_is_not_raised() -> None:
    all_cheap = rows(a1=CHEAP, a2=CHEAP, a3=CHEAP, b1=CHEAP)
    made = inputs(all_cheap, tree(c1=200.0), monthly_budget=100_000.0)
    assert told(made, CAMPAIGN, "c1", "SCALE_UP", [D]) == ["utilisation"]


def test_an_edit_known_of_an_entity_as_it_is_now_does_not_block_the_days_before_it() -> None:
    edited = [
        row | {"last_significant_edit_at": noon(1)} if row["entity_type"] == "adset" else row
        for row in tree()
    ]
    assert told(inputs(ORDINARY, edited), AD, "a1", "PAUSE", [day(5), D]) == ["", "recent_edit"]


def test_what_is_paused_with_a_good_record_is_to_be_taken_up_again_within_60_days() -> None:
    versions = [
        version("ad", "a2", noon(69), '{"status":"ACTIVE","effective_status":"ACTIVE"}'),
        version("ad", "a2", noon(20), '{"status":"PAUSED","effective_status":"PAUSED"}'),
    ]
    until = [row for row in ORDINARY if row["entity_id"] != "a2" or row["date"] < day(20)]
    found = decide(inputs(until, versions=versions), AD, [D]).filter(pl.col("entity_id") == "a2")
    row = found.row(0, named=True)
    assert row["recommendation_type"] == "REACTIVATE"
    assert (row["days"], row["paused_days"]) == (30, 21)
    assert (row["leads"], row["spend"]) == (30 * 12, pytest.approx(30 * 40.0))


def test_what_is_taken_up_again_needs_room_under_a_monthly_budget() -> None:
    of_adset = [
        version("adset", "s2", noon(69), '{"status":"ACTIVE","effective_status":"ACTIVE","daily_budget":40}'),
        version("adset", "s2", noon(20), '{"status":"PAUSED","effective_status":"PAUSED","daily_budget":40}'),
    ]
    ran = rows(a1=FAIR, a2=FAIR, a3=FAIR, b1=CHEAP)
    until = [row for row in ran if row["entity_id"] != "b1" or row["date"] < day(20)]
    for monthly, said in ((None, ""), (161 * 30.5, ""), (150 * 30.5, "budget")):
        made = inputs(until, tree(s1=120.0, s2=40.0), of_adset, monthly_budget=monthly)
        assert told(made, ADSET, "s2", "REACTIVATE", [D]) == [said], monthly


def test_an_adset_under_a_paused_campaign_takes_no_part_of_a_monthly_budget() -> None:
    plain = [row | {"effective_status": None, "status": "ACTIVE"} for row in tree(s1=120.0, s2=40.0)]
    dark = [
        campaign("c2", effective_status=None, status="PAUSED"),
        adset("s3", "c2", effective_status=None, status="ACTIVE", daily_budget=500.0),
    ]
    made = inputs(rows(a1=CHEAP, a2=CHEAP, a3=CHEAP, b1=CHEAP), [*plain, *dark], monthly_budget=200 * 30.5)
    assert told(made, ADSET, "s1", "SCALE_UP", [D]) == [""]


def test_a_record_does_not_depend_on_how_far_back_the_figures_were_read() -> None:
    """Sparse delivery: 30 active days reach further back than every run reads."""
    versions = [
        version("ad", "a2", noon(400), '{"status":"ACTIVE","effective_status":"ACTIVE"}'),
        version("ad", "a2", noon(5), '{"status":"PAUSED","effective_status":"PAUSED"}'),
    ]
    sparse = every_day("ad", "a2", range(6, 300, 7), **CHEAP)
    others = [row for row in ORDINARY if row["entity_id"] != "a2"]
    made = inputs([*others, *sparse], versions=versions)
    from_date = D - dt.timedelta(days=160)
    short = replace(
        made, figures=replace(made.figures, metrics=made.figures.metrics.filter(pl.col("date") >= from_date))
    )
    assert_frame_equal(decide(made, AD, [D]), decide(short, AD, [D]))


def test_other_thresholds_lead_to_other_decisions() -> None:
    made = inputs(ORDINARY)
    strict = Policy().changed({"pause_expected_leads": 1000.0}, "strict")
    assert decide(made, AD, [D], strict).filter(pl.col("recommendation_type") == "PAUSE").is_empty()
    one = decide(made, AD, [D], Policy().changed({"issued_per_day": 1}, "one"))
    assert one.filter(pl.col("blocked_by").is_null()).height == 1


def test_a_second_run_is_equal() -> None:
    made = inputs(ORDINARY, small_tree())
    assert_frame_equal(decide(made, AD, [D]), decide(made, AD, [D]))
