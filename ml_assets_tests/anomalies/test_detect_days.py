"""Incidents over days: the budget of alerts, what is found higher up later, what people say, running days."""

import json
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from ml_assets.anomalies.frames import INCIDENTS
from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.entities import LEVELS
from ml_assets_tests.anomalies.accounts_made import Change, D, Made, back, found_in, incidents_of, inputs_of
from ml_assets_tests.features.frames_made import LONG_AGO, Row

CALM = Made()
LARGE = Made(campaigns=6, adsets=1, ads=2, account={"target_cpl": 60.0})
"""Campaigns of 120 a day, at a T of 60."""


def issued(rows: list[Row]) -> set[str]:
    """Roots of what is above the fold."""
    return {row["entity_id"] for row in rows if row["alert_rank"] is not None}


def answer(
    kind: str, feedback: str, entity_id: str = "c1", entity_type: str = "campaign", **days: int
) -> Row:
    """What people said of an incident; onset and last in days before D."""
    return {
        "config_id": 1,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "kind": kind,
        "onset_date": back(days["onset"]),
        "last_date": back(days["last"]),
        "feedback": feedback,
    }


def on(date_back: int, made: Made, **inputs: Any) -> list[Row]:
    """Incidents of a date."""
    return incidents_of(inputs_of(made, **inputs), [back(date_back)])


# ----------------------------------------------------------------- the budget of alerts


def test_three_news_a_day_are_issued_the_largest_first_and_the_rest_stays_below_the_fold() -> None:
    changes = tuple(Change("cpm", f"c{number}", 2.0 + number / 5, 3) for number in range(1, 5))
    rows = incidents_of(inputs_of(replace(LARGE, changes=changes)), [back(3)])
    assert {row["entity_id"] for row in rows} == {"c1", "c2", "c3", "c4"}
    ranked = sorted((row for row in rows if row["alert_rank"]), key=lambda row: row["alert_rank"])
    assert [row["alert_rank"] for row in ranked] == [1, 2, 3]
    money = [row["money"] for row in ranked]
    assert money == sorted(money, reverse=True)
    (below,) = [row for row in rows if row["alert_rank"] is None]
    assert below["money"] <= money[-1]
    alerts = pl.concat(
        [found_in(replace(LARGE, changes=changes), level, [back(3)]).anomalies for level in LEVELS]
    )
    assert set(alerts.filter("is_alert")["incident_id"]) == {row["incident_id"] for row in ranked}
    assert below["incident_id"] in set(alerts["incident_id"])


def test_the_budget_is_of_news_and_what_is_critical_is_beyond_it() -> None:
    changes = tuple(Change("cpm", f"c{number}", 2.2, 3 if number < 4 else 1) for number in range(1, 6))
    made = replace(LARGE, changes=changes)
    assert len(issued(on(3, made))) == 3
    assert issued(on(1, made)) == {"c1", "c2", "c3", "c4", "c5"}  # two more on a day of their own
    cheap = replace(
        made, account={"target_cpl": 5.0}, changes=tuple(replace(one, first=3) for one in changes)
    )
    rows = on(3, cheap)
    assert {row["severity"] for row in rows} == {"CRITICAL"}
    assert len(issued(rows)) == 5


def test_the_budget_is_a_threshold_of_the_policy() -> None:
    changes = tuple(Change("cpm", f"c{number}", 2.2) for number in range(1, 4))
    one = AnomalyPolicy(issued_per_day=1)
    assert len(issued(incidents_of(replace(LARGE, changes=changes), policy=one))) == 1


# ----------------------------------------------------------------- one cause, seen more of later


def test_what_was_one_adset_and_is_the_whole_campaign_next_day_goes_on_as_the_campaign() -> None:
    made = replace(CALM, changes=(Change("cpm", "c1s1", 2.0, 2), Change("cpm", "c1s2", 2.0, 1)))
    first, second = on(2, made), incidents_of(made, [back(1)])
    assert [(row["entity_id"], row["status"]) for row in first] == [("c1s1", "open")]
    assert {(row["entity_id"], row["status"]) for row in second} == {("c1", "open"), ("c1s1", "closed")}
    (campaign,) = [row for row in second if row["entity_id"] == "c1"]
    assert campaign["onset_date"] == back(2)
    (merged,) = [row for row in second if row["entity_id"] == "c1s1"]
    assert json.loads(merged["attribution"])["merged_into"] == campaign["incident_id"]
    assert json.loads(campaign["attribution"])["merged_into"] is None
    assert [row["entity_id"] for row in incidents_of(made)] == ["c1"]


def test_what_ended_and_comes_back_a_week_later_is_another_incident() -> None:
    made = replace(CALM, changes=(Change("cpm", "c1", 2.0, 9, 8), Change("cpm", "c1", 2.0, 1)))
    rows = incidents_of(made, [back(days) for days in range(11)])
    assert {row["onset_date"] for row in rows} == {back(9), back(1)}
    assert len({row["incident_id"] for row in rows}) == 2


# ----------------------------------------------------------------- what people say


@pytest.mark.parametrize("feedback", ["EXPECTED", "FALSE_ALARM"])
def test_what_people_expected_is_found_again_and_not_issued(feedback: str) -> None:
    made = replace(LARGE, changes=(Change("cpm", "c1", 2.2, 20, 18), Change("cpm", "c1", 2.2)))
    told = [answer("CPM_SPIKE", feedback, onset=20, last=18)]
    assert issued(on(0, made)) == {"c1"}
    again = on(0, made, feedback=told)
    assert [row["entity_id"] for row in again] == ["c1"]
    assert issued(again) == set()


def test_silence_is_of_that_entity_and_that_cause_alone_and_not_of_what_is_critical() -> None:
    made = replace(LARGE, changes=(Change("cpm", "c1", 2.2), Change("cpm", "c2", 2.2)))
    told = [answer("CPM_SPIKE", "EXPECTED", onset=20, last=18)]
    assert issued(on(0, made, feedback=told)) == {"c2"}
    told = [answer("SPEND_SPIKE", "EXPECTED", onset=20, last=18)]
    assert issued(on(0, made, feedback=told)) == {"c1", "c2"}
    told = [answer("CPM_SPIKE", "EXPECTED", onset=20, last=18)]
    assert issued(on(0, replace(made, account={"target_cpl": 5.0}), feedback=told)) == {"c1", "c2"}


@pytest.mark.parametrize("factor", [2.2, 5.0])
def test_a_new_normal_is_usual_from_the_next_day_on(factor: float) -> None:
    made = replace(LARGE, changes=(Change("spend", "c1", factor, 4),))
    told = [answer("SPEND_SPIKE", "NEW_NORMAL", onset=4, last=3)]
    assert issued(on(1, made)) == {"c1"}
    assert issued(on(1, made, feedback=told)) == set()
    assert on(0, made, feedback=told) == []


# ----------------------------------------------------------------- days that run, figures not to be trusted


def running(share: float) -> Row:
    """D still runs, and so much of it is there."""
    return {
        "config_id": 1,
        "date": D,
        "judged_until": LONG_AGO,
        "share": share,
        "deviation": 0.05,
        "reason": None,
    }


def test_a_day_that_runs_is_held_against_its_share_and_is_provisional() -> None:
    half = replace(CALM, changes=(Change("spend", None, 0.5),))  # all as usual at noon
    assert incidents_of(inputs_of(half, running=[running(0.5)])) == []
    assert incidents_of(half)
    stopped = replace(CALM, changes=(Change("spend", None, 0.5), Change("spend", "c1", 0.0)))
    inputs = inputs_of(stopped, running=[running(0.5)])
    (row,) = incidents_of(inputs)
    assert (row["entity_id"], row["kind"]) == ("c1", "ZERO_SPEND")
    assert json.loads(row["attribution"])["is_provisional"]
    found = found_in(inputs).anomalies.filter(pl.col("incident_id").is_not_null())
    assert found["is_provisional"].all()


def test_leads_of_a_day_that_runs_are_not_judged() -> None:
    broken = replace(CALM, changes=(Change("spend", None, 0.5), Change("cvr", None, 0.0)))
    assert incidents_of(inputs_of(broken, running=[running(0.5)])) == []
    assert issued(incidents_of(broken))


def test_a_running_day_that_cannot_be_judged_says_so_and_nothing_else() -> None:
    unknown = {"share": None, "deviation": None, "judged_until": None}
    waiting = {**running(0.5), **unknown, "reason": "No figure was read."}
    made = replace(CALM, changes=(Change("spend", "c1", 0.0),))
    found = found_in(inputs_of(made, running=[waiting]))
    assert found.not_judged["reason"].to_list() == ["No figure was read."]
    assert found.incidents.is_empty()


def test_a_level_that_is_missing_for_a_day_is_told_and_raises_no_incident_of_its_own() -> None:
    figures = CALM.figures().filter(~((pl.col("entity_type") == "ad") & (pl.col("date") == D)))
    inputs = inputs_of(CALM, insights=figures)
    found = found_in(inputs, "ad")
    assert found.not_judged.filter(pl.col("date") == D).height == 1
    assert set(found.anomalies["anomaly_type"]) == {"DATA_QUALITY"}
    assert found.anomalies["is_alert"].any()
    assert incidents_of(inputs) == []


def test_incidents_are_in_their_schema_even_where_there_are_none() -> None:
    assert dict(found_in(CALM).incidents.schema) == INCIDENTS
