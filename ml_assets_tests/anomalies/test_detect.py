"""What is found in whole accounts: one incident a cause, at its root, whoever asks and in whatever order."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import polars as pl
import pytest

from ml_assets.anomalies.detect import chains
from ml_assets.anomalies.frames import ACCOUNT
from ml_assets.entities import LEVELS
from ml_assets_tests.anomalies.accounts_made import (
    Change,
    D,
    Made,
    back,
    found_in,
    incidents_of,
    inputs_of,
)
from ml_assets_tests.features.frames_made import Row, account

CALM = Made()


def changed(*changes: Change, **fields: Any) -> Made:
    """The calm account with changes in it."""
    return replace(CALM, changes=changes, **fields)


def each(*made: Made, dates: Sequence[dt.date] = (D,)) -> list[list[Row]]:
    """Incidents of each account; they are judged in one go, since accounts do not know of each other."""
    numbered = [replace(one, config_id=number) for number, one in enumerate(made, start=1)]
    found: dict[int, list[Row]] = {one.config_id: [] for one in numbered}
    for row in incidents_of(inputs_of(*numbered), dates):
        found[row["config_id"]].append(row)
    return list(found.values())


def said(rows: list[Row]) -> list[tuple[str, str, str]]:
    """(level, entity, kind) of incidents that are open."""
    return [(row["entity_type"], row["entity_id"], row["kind"]) for row in rows if row["status"] == "open"]


CAUSES: dict[str, tuple[Made, tuple[str, str, str]]] = {
    "a campaign that stops": (changed(Change("spend", "c1", 0.0)), ("campaign", "c1", "ZERO_SPEND")),
    "an adset that stops": (changed(Change("spend", "c1s2", 0.0)), ("adset", "c1s2", "ZERO_SPEND")),
    "an ad that stops": (changed(Change("spend", "c2s1a1", 0.0)), ("ad", "c2s1a1", "ZERO_SPEND")),
    "a campaign that spends threefold": (
        changed(Change("spend", "c2", 3.0)),
        ("campaign", "c2", "SPEND_SPIKE"),
    ),
    "an ad that spends fivefold": (changed(Change("spend", "c3s1a2", 5.0)), ("ad", "c3s1a2", "SPEND_SPIKE")),
    "a campaign that spends half": (changed(Change("spend", "c1", 0.4)), ("campaign", "c1", "SPEND_DROP")),
    "a campaign's prices double": (changed(Change("cpm", "c1", 2.0)), ("campaign", "c1", "CPM_SPIKE")),
    "an adset's prices double": (changed(Change("cpm", "c1s1", 2.0)), ("adset", "c1s1", "CPM_SPIKE")),
    "nobody clicks a campaign": (changed(Change("ctr", "c3", 0.35)), ("campaign", "c3", "CTR_DROP")),
    "nobody clicks an ad": (changed(Change("ctr", "c3s2a1", 0.35)), ("ad", "c3s2a1", "CTR_DROP")),
    "a campaign's pixel breaks": (changed(Change("cvr", "c2", 0.0)), ("campaign", "c2", "TRACKING_BREAK")),
    "an adset's pixel breaks": (changed(Change("cvr", "c2s2", 0.0)), ("adset", "c2s2", "TRACKING_BREAK")),
    "the account's pixel breaks": (
        changed(Change("cvr", None, 0.0)),
        (ACCOUNT, "", "TRACKING_BREAK"),
    ),
    "all prices rise": (changed(Change("cpm", None, 1.6)), (ACCOUNT, "", "CPM_SPIKE")),
    "the account stops": (changed(Change("spend", None, 0.0)), (ACCOUNT, "", "ZERO_SPEND")),
    "a campaign of one adset of one ad stops": (
        changed(Change("spend", "c1", 0.0), adsets=1, ads=1),
        ("campaign", "c1", "ZERO_SPEND"),
    ),
}


@cache
def found_of_all() -> dict[str, list[Row]]:
    """Incidents of CAUSES on D."""
    return dict(zip(CAUSES, each(*(made for made, _ in CAUSES.values())), strict=True))


@pytest.mark.parametrize("name", CAUSES)
def test_one_cause_is_one_issued_incident_at_its_root_on_its_first_day(name: str) -> None:
    (row,) = found_of_all()[name]
    level, entity_id, kind = CAUSES[name][1]
    account_id = account(row["config_id"])["account_id"]
    assert (row["entity_type"], row["entity_id"], row["kind"]) == (level, entity_id or account_id, kind)
    assert (row["status"], row["onset_date"], row["last_date"]) == ("open", D, D)
    assert row["alert_rank"] == 1
    assert row["description"]


def test_hardly_anything_is_said_of_calm_accounts() -> None:
    calm = [replace(CALM, seed=seed, noise=0.15) for seed in range(8)]
    found = each(*calm, dates=[back(days) for days in range(14)])
    assert len({row["incident_id"] for rows in found for row in rows}) <= 3  # of 112 days of accounts


def test_two_causes_are_two_incidents() -> None:
    both = changed(Change("spend", "c1", 0.0), Change("cpm", "c3s1", 2.0))
    assert set(said(incidents_of(both))) == {("campaign", "c1", "ZERO_SPEND"), ("adset", "c3s1", "CPM_SPIKE")}


def test_anomaly_rows_of_all_levels_and_metrics_belong_to_the_one_incident() -> None:
    name = "a campaign that stops"
    (incident,) = incidents_of(CAUSES[name][0])
    rows = pl.concat([found_in(CAUSES[name][0], level).anomalies for level in LEVELS])
    rows = rows.filter(pl.col("incident_id").is_not_null())
    assert rows["incident_id"].unique().to_list() == [incident["incident_id"]]
    assert set(rows["entity_type"]) == {level.value for level in LEVELS}
    roots = rows.filter("is_root_cause")
    assert set(roots["entity_id"]) == {"c1"}
    assert set(rows["entity_id"]) >= {"c1", "c1s1", "c1s2", "c1s1a1"}
    assert not set(rows["entity_id"]) & {"c2", "c3"}


def test_what_is_worth_less_than_the_target_cpl_is_not_said() -> None:
    stopped = changed(Change("spend", "c1s1a1", 0.0))
    found = each(*(replace(stopped, account={"target_cpl": target}) for target in (50.0, 100.0)))
    assert [len(rows) for rows in found] == [1, 0]  # the ad spends some 60 a day


def test_a_deviation_of_less_than_a_quarter_is_not_said() -> None:
    steady = replace(CALM, noise=0.01)
    found = each(*(replace(steady, changes=(Change("cpm", "c1", factor),)) for factor in (1.2, 1.5)))
    assert [said(rows) for rows in found] == [[], [("campaign", "c1", "CPM_SPIKE")]]


def test_good_news_is_kept_and_never_issued() -> None:
    (row,) = incidents_of(changed(Change("ctr", "c1", 2.0)))
    assert (row["kind"], row["alert_rank"]) == ("CTR_SPIKE", None)


def test_severity_goes_by_money_and_a_stopped_campaign_is_at_least_high() -> None:
    cases = {
        ("c1", 10.0): "CRITICAL",
        ("c1", 200.0): "HIGH",
        ("c1s1a1", 10.0): "HIGH",
        ("c1s1a1", 50.0): "MEDIUM",
    }
    made = [
        changed(Change("spend", entity_id, 0.0), account={"target_cpl": target})
        for entity_id, target in cases
    ]
    assert [row["severity"] for (row,) in each(*made)] == list(cases.values())


# ----------------------------------------------------------------- over days


def test_what_goes_on_is_one_incident_and_ends_after_two_days_as_usual() -> None:
    made = changed(Change("cpm", "c1", 2.0, 7, 4))
    incidents = incidents_of(made, [back(days) for days in range(9)])
    assert [((D - row["evaluated_date"]).days, row["status"]) for row in incidents] == [
        (7, "open"), (6, "open"), (5, "open"), (4, "open"), (3, "open"), (2, "closed"),
    ]  # fmt: skip
    assert {row["onset_date"] for row in incidents} == {back(7)}
    assert len({row["incident_id"] for row in incidents}) == 1
    closed = incidents[-1]
    assert closed["last_date"] == back(4)
    money = [row["money"] for row in incidents]
    assert money[:4] == sorted(money[:4])
    assert money[3] > 3 * money[0] > 0
    assert closed["money"] == pytest.approx(money[3], rel=0.01)


def test_a_tracking_break_of_few_leads_is_told_after_some_days() -> None:
    few = replace(CALM, adsets=1, ads=1, cvr=0.012, changes=(Change("cvr", "c1", 0.0, 9),))  # 2 leads a day
    rows = [row for row in incidents_of(few, [back(days) for days in range(10)]) if row["entity_id"] == "c1"]
    kinds = {row["kind"] for row in rows}
    assert kinds == {"TRACKING_BREAK"}
    first = min(row["evaluated_date"] for row in rows)
    assert back(8) <= first <= back(2)
    assert {row["severity"] for row in rows} <= {"HIGH", "CRITICAL"}


def test_a_new_level_of_three_weeks_is_no_incident_any_more() -> None:
    made = changed(Change("spend", "c1", 3.0, 30))
    assert said(incidents_of(made, [back(25)])) == [("campaign", "c1", "SPEND_SPIKE")]
    assert said(incidents_of(made)) == []


# ----------------------------------------------------------------- laws


MANY = changed(Change("cpm", "c1", 2.0, 6, 3), Change("spend", "c2s1", 0.0, 4), Change("cvr", "c3", 0.1, 2))
WEEK = [back(days) for days in (6, 4, 3, 2, 1, 0)]


def test_dates_one_by_one_and_together_and_in_any_order_give_the_same_rows() -> None:
    inputs = inputs_of(MANY)
    for level in LEVELS[:2]:
        together = found_in(inputs, level, WEEK)
        turned = found_in(inputs, level, WEEK[::-1])
        single = [found_in(inputs, level, [date]) for date in WEEK]
        for name in ("anomalies", "incidents", "not_judged"):
            rows = getattr(together, name)
            assert rows.equals(getattr(turned, name)), name
            apart = pl.concat([getattr(found, name) for found in single])
            assert rows.sort(pl.all()).equals(apart.sort(pl.all())), name


def test_rows_in_any_order_give_the_same_rows() -> None:
    shuffled = inputs_of(MANY, insights=MANY.figures().sample(fraction=1.0, shuffle=True, seed=3))
    for level in LEVELS:
        assert found_in(MANY, level).anomalies.equals(found_in(shuffled, level).anomalies)
        assert found_in(MANY, level).incidents.equals(found_in(shuffled, level).incidents)


def test_accounts_do_not_know_of_each_other() -> None:
    other = replace(CALM, config_id=2, seed=11, changes=(Change("spend", "c1", 0.0),))
    for level in LEVELS:
        alone = pl.concat([found_in(one, level).incidents for one in (MANY, other)])
        together = found_in(inputs_of(MANY, other), level).incidents
        assert together.sort("incident_id").equals(alone.sort("incident_id"))


def test_days_to_come_change_nothing() -> None:
    is_later = pl.col("date") > back(2)
    spend = pl.when(is_later).then(pl.col("spend") * 5).otherwise("spend")
    later = inputs_of(MANY, insights=MANY.figures().with_columns(spend))
    for level in LEVELS:
        before, after = (found_in(made, level, [back(2)]) for made in (MANY, later))
        assert before.incidents.height + before.anomalies.height
        assert before.incidents.equals(after.incidents)
        assert before.anomalies.equals(after.anomalies)


def test_a_chain_begins_weeks_before_its_dates_at_a_fixed_day() -> None:
    dates = [back(days) for days in range(60)]
    found = chains(dates)
    assert sorted(date for chain in found for date in chain.asked) == sorted(dates)
    for chain in found:
        assert chains(chain.asked[:1])[0].start == chain.start
        assert (chain.asked[0] - chain.start).days >= 28
        assert (chain.asked[-1] - chain.start).days <= 55


@pytest.mark.parametrize("name", CAUSES)
def test_the_attribution_is_plain_json_that_adds_up(name: str) -> None:
    def refuse(constant: str) -> float:
        raise ValueError(constant)

    (row,) = found_of_all()[name]
    told = json.loads(row["attribution"], parse_constant=refuse)
    assert told["since"] == str(D)
    assert len(told["series"]) == 28
    last = told["series"][-1]
    assert (last["date"], last["observed"]) == (str(D), told["observed"])
    assert not last["lower"] <= last["observed"] <= last["upper"]
    if told["expected"]:
        assert told["ratio"] == pytest.approx(told["observed"] / told["expected"], abs=1e-5)
    if told["rate_mix"]:
        assert sum(told["rate_mix"].values()) == pytest.approx(1.0, abs=1e-5)
    shares = [share["share"] for share in told["shares"]]
    assert shares == sorted(shares, reverse=True)
    assert row["money"] == pytest.approx(told["money_today"], abs=0.02)


# ----------------------------------------------------------------- odd accounts


@pytest.mark.parametrize(
    "made",
    [
        Made(campaigns=1, adsets=1, ads=1),
        Made(campaigns=1, adsets=1, ads=1, changes=(Change("spend", None, 0.0),)),
        Made(cvr=0.0),
        Made(ctr=0.0),
        Made(days=5),
        Made(spend=0.0),
        Made(levels=LEVELS[:1], changes=(Change("spend", "c1", 0.0),)),
        Made(levels=LEVELS[2:], changes=(Change("spend", "c1", 0.0),)),
        Made(account={"timezone": "America/Sao_Paulo", "currency": "BRL"}),
    ],
)
def test_odd_accounts_are_judged_or_left_alone(made: Made) -> None:
    for level in LEVELS:
        found = found_in(made, level, [back(1), D])
        for frame in (found.anomalies, found.incidents):
            numbers = frame.select(pl.selectors.float()).unpivot()["value"].drop_nulls()
            assert numbers.is_finite().all()


def test_no_date_is_nothing() -> None:
    assert found_in(CALM, dates=[]).incidents.is_empty()
