"""The figures of all four steps of the tree, and what explains a change in them."""

import datetime as dt
import json
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_assets.anomalies.calendars import is_holiday
from ml_assets.anomalies.frames import RUNNING_DAYS
from ml_assets.anomalies.inputs import AnomalyInputs
from ml_assets.anomalies.panel import BUDGET_DOUBT, STEPS, Panel, Step, build_panel
from ml_assets.anomalies.walk import walk
from ml_assets.entities import EntityType
from ml_assets.frames import ACCOUNTS, LEAD_REVISIONS
from ml_assets_tests.anomalies.accounts_made import D, Made, back, inputs_of, panel_of
from ml_assets_tests.features.frames_made import Row, account, ad, frame

DAYS = 40
ACCOUNT, CAMPAIGN, ADSET, AD = range(4)
SMALL = Made(days=DAYS, campaigns=2, adsets=2, ads=2)


def told(entity_type: str, entity_id: str, days_before: int, **fields: Any) -> Row:
    """What is known of an entity since noon of a day; active where nothing is said."""
    return {
        "config_id": 1,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "known_at": dt.datetime.combine(back(days_before), dt.time(12), dt.UTC),
        "fields": json.dumps({"status": "ACTIVE", "effective_status": "ACTIVE", **fields}),
    }


def row(step: Step, entity_id: str) -> int:
    return step.keys["entity_id"].to_list().index(entity_id)


def at(days_before: int) -> int:
    return DAYS - 1 - days_before


def panel(made: Made = SMALL, **given: Any) -> Panel:
    return panel_of(inputs_of(made, **given), DAYS)


def test_steps_go_from_the_account_down_and_figures_are_those_of_the_rows() -> None:
    made = panel()
    assert [step.name for step in made.steps] == list(STEPS)
    assert [step.height for step in made.steps] == [1, 2, 4, 8]
    rows = SMALL.figures().filter(pl.col("entity_type") == "ad", pl.col("entity_id") == "c2s1a2").sort("date")
    ads = made.steps[AD]
    for name in ("spend", "impressions", "clicks", "leads"):
        assert ads.figures[name][row(ads, "c2s1a2")] == pytest.approx(rows[name].to_numpy(), rel=1e-6)
    assert made.date(0) == rows["date"][0]
    assert made.day(D) == DAYS - 1
    assert [made.date(day).weekday() for day in range(DAYS)] == made.weekday.tolist()


@pytest.mark.parametrize("name", ["spend", "impressions", "clicks", "leads"])
def test_every_step_adds_up_to_the_one_above(name: str) -> None:
    steps = panel().steps
    for above, below in pairwise(steps):
        assert below.parent.total(below.figures[name]) == pytest.approx(above.figures[name], rel=1e-5)


def test_children_know_their_parents_row() -> None:
    steps = panel().steps
    for above, below in pairwise(steps[1:]):
        parents = np.array(above.keys["entity_id"].to_list())[below.parent.index]
        assert parents.tolist() == below.keys["parent_id"].to_list()


def test_leads_that_came_later_are_not_those_of_the_morning_after() -> None:
    of = {"config_id": 1, "date": back(9), "known_on": back(4), "leads": 1}
    late = [
        {**of, "entity_type": level, "entity_id": name}
        for level, name in (("ad", "c1s1a1"), ("adset", "c1s1"), ("campaign", "c1"))
    ]
    inputs = inputs_of(SMALL)
    now, then = panel_of(inputs, DAYS), panel_of(replace(inputs, revisions=frame(late, LEAD_REVISIONS)), DAYS)
    for step, name in ((AD, "c1s1a1"), (ADSET, "c1s1"), (CAMPAIGN, "c1"), (ACCOUNT, "act_1")):
        place = row(now.steps[step], name)
        less = now.steps[step].figures["leads"][place] - then.steps[step].figures["leads"][place]
        assert np.flatnonzero(less).tolist() == [at(9)]
        assert less[at(9)] == 1
    # What is read the morning after holds a part of the leads to come, on every day alike.
    assert (now.visible == 1.0).all()
    assert (then.visible < 0.95).all()
    assert then.visible.std() < 0.02


def test_leads_of_the_days_read_last_are_expected_by_the_share_that_shows() -> None:
    """Read on the morning after D: of D most leads are there, of a month ago all."""
    inputs = inputs_of(replace(SMALL, cvr=0.2))
    morning = dt.datetime.combine(D + dt.timedelta(days=1), dt.time(6), dt.UTC)
    read = inputs.figures.metrics.with_columns(known_at=pl.lit(morning))
    made = panel_of(replace(inputs, figures=replace(inputs.figures, metrics=read)), DAYS)
    assert made.visible[0, at(0)] == pytest.approx(0.86, abs=0.02)
    assert made.visible[0, at(28)] == 1.0
    assert (np.diff(made.visible[0]) <= 0).all()
    _, tests = list(walk(made, DAYS - 1, 21))[-1]
    whole = list(walk(panel_of(inputs, DAYS), DAYS - 1, 21))[-1][1]
    share = tests["cvr"][ACCOUNT].expected[0] / whole["cvr"][ACCOUNT].expected[0]
    assert 0.84 < share < 0.93  # a little more than shows: leads of the days before came in whole


def test_a_budget_change_adds_its_size_in_doubt_to_all_it_touches_on_its_day_and_the_next() -> None:
    versions = [told("adset", "c1s1", 60, daily_budget=50.0), told("adset", "c1s1", 8, daily_budget=100.0)]
    steps = panel(versions=versions).steps
    doubt = np.log(2) ** 2 + BUDGET_DOUBT**2
    edited = steps[ADSET].shock[row(steps[ADSET], "c1s1")]
    assert (edited[[at(8), at(7)]] >= doubt - 1e-6).all()
    assert edited.max() < 2 * doubt
    assert np.flatnonzero(edited).tolist() == [at(8), at(7)]
    assert steps[AD].shock[row(steps[AD], "c1s1a1"), at(8)] >= doubt - 1e-6
    # The campaign by the share it makes of it: half of the spend doubles.
    above = steps[CAMPAIGN].shock[row(steps[CAMPAIGN], "c1"), at(8)]
    assert 0.1 < above < doubt
    assert 0 < steps[ACCOUNT].shock[0, at(8)] < above
    # Its sibling takes up or gives some; the other campaign has a budget of its own.
    assert steps[ADSET].shock[row(steps[ADSET], "c1s2"), at(8)] == pytest.approx(above)
    assert (steps[CAMPAIGN].shock[row(steps[CAMPAIGN], "c2")] == 0).all()


def test_an_account_on_which_nobody_changes_anything_has_no_doubt() -> None:
    for step in panel().steps:
        assert (step.shock == 0).all()
        assert step.is_live.all()
        assert step.is_judged.all()


def test_a_launched_ad_moves_every_level_above_it_and_less_the_higher() -> None:
    steps = panel(replace(SMALL, begins={"c1s1a2": 10})).steps
    shocks = [
        steps[index].shock[row(steps[index], name), at(10)]
        for index, name in ((AD, "c1s1a2"), (ADSET, "c1s1"), (CAMPAIGN, "c1"), (ACCOUNT, "act_1"))
    ]
    assert shocks == sorted(shocks, reverse=True)
    assert shocks[-1] > 0
    assert shocks[0] >= 1
    assert all(step.shock[:, : at(10)].max() == 0 for step in steps)
    assert all(step.shock[:, at(8) :].max() == 0 for step in steps)


def test_a_launched_campaign_moves_its_account_by_an_equal_share_at_least() -> None:
    steps = panel(replace(SMALL, begins={"c2": 10})).steps
    assert steps[ACCOUNT].shock[0, at(10)] >= 0.25


def test_what_is_paused_is_live_neither_on_the_day_nor_after_nor_is_anything_below() -> None:
    versions = [
        told("campaign", "c1", 60),
        told("campaign", "c1", 10, effective_status="PAUSED", status="PAUSED"),
        told("campaign", "c1", 5),
    ]
    steps = panel(versions=versions).steps
    for index, name in ((CAMPAIGN, "c1"), (ADSET, "c1s2"), (AD, "c1s1a1")):
        live = steps[index].is_live[row(steps[index], name)]
        assert np.flatnonzero(~live).tolist() == list(range(at(10), at(5) + 1)), name
    assert steps[CAMPAIGN].is_live[row(steps[CAMPAIGN], "c2")].all()
    assert steps[ACCOUNT].is_live.all()  # as long as anything runs
    assert steps[CAMPAIGN].shock[row(steps[CAMPAIGN], "c1"), at(10)] >= 1
    assert steps[ACCOUNT].shock[0, at(10)] > 0.1


def test_days_that_cannot_be_trusted_are_judged_at_no_entity_of_their_level_and_account() -> None:
    left_out = pl.DataFrame(
        {"config_id": [1, 1, 7], "entity_type": ["adset", "campaign", "ad"], "date": [back(3), back(2), D]}
    )
    from_inputs = inputs_of(SMALL, replace(SMALL, config_id=2))
    made = build_panel(from_inputs, back(DAYS - 1), D, left_out)
    first = [step.account == 0 for step in made.steps]
    unjudged = [np.flatnonzero(~step.is_judged.all(axis=0)).tolist() for step in made.steps]
    assert unjudged == [[at(2)], [at(2)], [at(3)], []]  # the account is the sum of its campaigns
    assert not made.steps[ADSET].is_judged[first[ADSET], at(3)].any()
    assert made.steps[ADSET].is_judged[~first[ADSET]].all()


def test_a_running_day_is_compared_with_its_share_and_one_that_waits_is_not_judged() -> None:
    running = [
        {"config_id": 1, "date": D, "judged_until": dt.datetime(2026, 6, 24, 13, tzinfo=dt.UTC), "share": 0.5,
         "deviation": 0.1},
        {"config_id": 2, "date": D, "reason": "No history of its hours."},
    ]  # fmt: skip
    inputs = inputs_of(SMALL, replace(SMALL, config_id=2), running=running)
    assert inputs.running.schema == RUNNING_DAYS
    made = panel_of(inputs, DAYS)
    assert made.share[:, -1].tolist() == [0.5, 1.0]
    assert made.share_deviation[:, -1].tolist() == [0.1, 0.0]
    assert (made.share[:, :-1] == 1.0).all()
    for step in made.steps:
        assert step.is_judged[:, -1].tolist() == (step.account == 0).tolist()
    tests = list(walk(made, DAYS - 2, 21))
    (_, before), (_, now) = tests
    half = now["spend"][ACCOUNT].expected[0] / before["spend"][ACCOUNT].expected[0]
    assert half == pytest.approx(0.5, rel=0.1)
    assert now["spend"][ACCOUNT].is_tested.tolist() == [True, False]
    assert not now["cvr"][ACCOUNT].is_tested.any()
    assert before["cvr"][ACCOUNT].is_tested.all()


def test_accounts_know_the_holidays_of_their_time_zone() -> None:
    zones = ["Europe/Madrid", "America/New_York", "UTC", "Nowhere/Land", None]
    accounts = frame([account(n, timezone=zone) for n, zone in enumerate(zones, 1)], ACCOUNTS)
    dates = [dt.date(2026, 5, 1), dt.date(2026, 7, 4), dt.date(2025, 12, 25), dt.date(2026, 6, 24)]
    assert is_holiday(accounts, dates).tolist() == [
        [True, False, True, False],
        [False, True, True, False],
        *[[False] * 4] * 3,
    ]
    assert is_holiday(accounts.clear(), dates).shape == (0, 4)


def test_the_target_of_an_entity_is_that_of_its_account_where_it_has_none() -> None:
    made = panel(replace(SMALL, account={"target_cpl": 23.0}))
    assert all((step.target == 23.0).all() for step in made.steps)


def without(inputs: AnomalyInputs, keep: pl.Expr) -> AnomalyInputs:
    return replace(inputs, figures=replace(inputs.figures, metrics=inputs.figures.metrics.filter(keep)))


@cache
def odd_inputs() -> dict[str, AnomalyInputs]:
    plain = inputs_of(SMALL)
    orphans = [row for row in SMALL.entities() if row["entity_id"] not in ("c1", "c2s1")]
    unknown = [*SMALL.entities(), ad("lost", "nowhere", "nothing")]
    gaps = pl.col("date").dt.ordinal_day() % 5 != 0
    return {
        "one ad": inputs_of(Made(days=DAYS, campaigns=1, adsets=1, ads=1)),
        "no leads": inputs_of(replace(SMALL, cvr=0.0)),
        "no clicks": inputs_of(replace(SMALL, ctr=0.0)),
        "free": inputs_of(SMALL, insights=SMALL.figures().with_columns(spend=pl.lit(0.0))),
        "unknown leads": inputs_of(
            SMALL, insights=SMALL.figures().with_columns(leads=pl.lit(None, pl.Int64))
        ),
        "unknown clicks": inputs_of(
            SMALL,
            insights=SMALL.figures().with_columns(clicks=pl.when(gaps).then("clicks")),
        ),
        "gaps": without(plain, gaps),
        "one day": without(plain, pl.col("date") == D),
        "long ago": without(plain, pl.col("date") < back(20)),
        "only campaigns": inputs_of(replace(SMALL, levels=(EntityType.CAMPAIGN,))),
        "only adsets": inputs_of(replace(SMALL, levels=(EntityType.ADSET,))),
        "only ads": inputs_of(replace(SMALL, levels=(EntityType.AD,))),
        "no parents": inputs_of(SMALL, entities=orphans),
        "an ad of nobody": inputs_of(SMALL, entities=unknown),
        "no target": inputs_of(replace(SMALL, account={"target_cpl": None})),
    }


@pytest.mark.parametrize("kind", list(odd_inputs()))
def test_odd_accounts_are_walked_through_without_a_p_value_that_is_no_number(kind: str) -> None:
    made = panel_of(odd_inputs()[kind], DAYS)
    tested = 0
    for _, metrics in walk(made, 0, 21):
        for tests in metrics.values():
            for one in tests:
                assert ((one.p_value >= 0) & (one.p_value <= 1)).all()
                assert np.isfinite(one.score[one.is_tested]).all()
                assert np.isfinite(one.expected[one.is_tested]).all()
                assert (one.p_value[~one.is_tested] == 1).all()
                tested += int(one.is_tested.sum())
    assert (tested > 0) == (kind != "one day")


def test_where_only_ads_are_delivered_the_levels_above_are_their_sum() -> None:
    ads_alone, whole = panel_of(odd_inputs()["only ads"], DAYS), panel()
    for one, other in zip(ads_alone.steps, whole.steps, strict=True):
        assert one.keys.equals(other.keys)
        assert one.figures["spend"] == pytest.approx(other.figures["spend"], rel=1e-5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    edits=st.lists(
        st.tuples(
            st.sampled_from(["c1", "c2", "c1s1", "c2s2", "c1s1a1", "c2s1a2"]),
            st.integers(1, 25),
            st.sampled_from(["PAUSED", "ACTIVE"]),
            st.floats(1, 1e5),
        ),
        max_size=6,
    )
)
def test_doubt_is_a_finite_variance_and_nothing_is_live_below_what_is_not(edits: list[Any]) -> None:
    levels = {2: "campaign", 4: "adset", 6: "ad"}
    versions = [told(levels[len(name)], name, 60, daily_budget=50.0) for name in {edit[0] for edit in edits}]
    versions += [
        told(levels[len(name)], name, days, status=status, effective_status=status, daily_budget=budget)
        for name, days, status, budget in {(edit[0], edit[1]): edit for edit in edits}.values()
    ]
    steps = panel(versions=versions).steps
    for step in steps:
        assert np.isfinite(step.shock).all()
        assert (step.shock >= 0).all()
    for above, below in pairwise(steps[1:]):
        assert (below.is_live <= above.is_live[below.parent.index]).all()
        assert (below.shock >= above.shock[below.parent.index] * (1 - 1e-5)).all()
