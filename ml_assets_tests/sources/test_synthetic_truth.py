"""Whether the figures of the synthetic account agree with the truth it claims."""

import datetime as dt
import json
import time

import numpy as np
import polars as pl
import pytest

from ml_assets.entities import LEVELS
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource

END = dt.date(2026, 2, 28)
START = dt.date(2025, 11, 1)
LONG_AFTER = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
KEY = ["entity_type", "entity_id", "date"]


@pytest.fixture(scope="module")
def source() -> SyntheticSource:
    return SyntheticSource(SyntheticConfig(end=END))


@pytest.fixture(scope="module")
def days(source: SyntheticSource) -> pl.DataFrame:
    """Final figures of all days beside their truth."""
    final = source.insights(LEVELS, START, END, LONG_AFTER, versions=False).insights
    return final.filter(pl.col("window_days") == 1).join(
        source.truth.rates.drop("spend", "impressions"), on=KEY, how="left"
    )


def test_every_row_has_its_truth_and_the_same_spend(source: SyntheticSource, days: pl.DataFrame) -> None:
    assert days["true_ctr"].null_count() == 0
    assert source.truth.days.height == days.height
    assert source.truth.days["spend"].sum() == pytest.approx(days["spend"].sum())


def test_pooled_leads_agree_with_the_expectation_at_every_level() -> None:
    leads = np.zeros(len(LEVELS))
    expected = np.zeros(len(LEVELS))
    for seed in range(8):
        source = SyntheticSource(SyntheticConfig(end=END, seed=seed))
        final = source.insights(LEVELS, START, END, LONG_AFTER, versions=False).insights
        for index, level in enumerate(LEVELS):
            rows = final.filter(pl.col("entity_type") == level, pl.col("window_days") == 1)
            leads[index] += rows["leads"].sum()
            expected[index] += source.truth.days.filter(pl.col("entity_type") == level)[
                "expected_leads"
            ].sum()
    assert np.abs(leads - expected).max() < 4 * np.sqrt(1.25 * expected.min())


@pytest.mark.parametrize("dispersion", [1.1, 1.2, 2.0])
def test_leads_vary_by_the_asked_factor_around_their_expectation(dispersion: float) -> None:
    source = SyntheticSource(SyntheticConfig(end=END, dispersion=dispersion, adsets=300, ads=900))
    final = source.insights(LEVELS, START, END, LONG_AFTER, versions=False).insights
    rows = final.filter(pl.col("window_days") == 1).join(source.truth.days, on=KEY)
    measured = dict(
        rows.filter(pl.col("entity_type") != "campaign")
        .group_by("entity_type")
        .agg(((pl.col("leads") - pl.col("expected_leads")) ** 2).sum() / pl.col("expected_leads").sum())
        .iter_rows()
    )
    assert measured["ad"] == pytest.approx(dispersion, rel=0.06)
    assert measured["adset"] == pytest.approx(dispersion, rel=0.08)


def test_true_cpl_is_pooled_over_the_window_and_down_the_tree(source: SyntheticSource) -> None:
    window = (dt.date(2026, 2, 15), END)
    ads = source.truth.true_cpl("ad", *window)
    adsets = source.truth.true_cpl("adset", *window)
    assert adsets["expected_leads"].sum() == pytest.approx(ads["expected_leads"].sum())
    one = ads.row(0, named=True)
    days = source.truth.days.filter(
        pl.col("entity_id") == one["entity_id"], pl.col("date").is_between(*window)
    )
    assert one["true_cpl"] == pytest.approx(days["spend"].sum() / days["expected_leads"].sum())


def test_the_maturity_curve_can_be_learnt_from_the_versions() -> None:
    source = SyntheticSource(SyntheticConfig(end=END, adsets=300, ads=1500))
    versions = source.insights(["ad"], START, END, LONG_AFTER).insights.filter(pl.col("window_days") == 1)
    age = (
        pl.col("known_at").dt.convert_time_zone("America/Sao_Paulo").dt.date() - pl.col("date")
    ).dt.total_days()
    gained = (
        versions.with_columns(
            age=age, gained=pl.col("leads") - pl.col("leads").shift(1).over(KEY).fill_null(0)
        )
        .group_by("age")
        .agg(pl.col("gained").sum())
        .sort("age")
    )
    visible = gained["gained"].cum_sum() / gained["gained"].sum()
    truth = source.truth.late_leads.filter(pl.col("age_days") >= 1)["visible_share"]
    assert gained["age"].to_list() == list(range(1, 29))
    assert (visible - truth).abs().max() < 0.01
    assert truth.last() == 1.0


def test_an_ad_has_few_leads_a_week(days: pl.DataFrame) -> None:
    week = days.filter(pl.col("entity_type") == "ad", pl.col("date") > END - dt.timedelta(days=7))
    leads = week.group_by("entity_id").agg(pl.col("leads").sum())["leads"]
    assert 1.0 < leads.mean() < 5.0
    assert (leads <= 2).mean() > 0.4


def test_dispersion_of_the_true_rates_is_the_configured_one() -> None:
    config = SyntheticConfig(
        end=END, days=14, campaigns=400, adsets=2000, ads=10000, incidents=0, fatigued_ad_share=0, drift=0
    )
    truth = SyntheticSource(config).truth
    relative = truth.true_cpl("ad", config.first_day, END).filter(pl.col("true_cpl") < 500)["true_cpl"].log()
    expected = np.sqrt(config.campaign_sigma**2 + config.adset_sigma**2 + config.ad_sigma**2)
    assert relative.std() == pytest.approx(expected, rel=0.1)


def test_incidents_show_where_the_truth_says(source: SyntheticSource, days: pl.DataFrame) -> None:
    incidents = source.truth.incidents
    assert incidents.height == 6
    assert incidents["last_date"].max() == END
    assert set(incidents["entity_type"]) == set(LEVELS)
    assert (incidents["onset"] >= END - dt.timedelta(days=60)).all()
    for kind, entity_id, onset, last, factor in incidents.select(
        "kind", "entity_id", "onset", "last_date", "factor"
    ).iter_rows():
        rows = days.filter(pl.col("entity_id") == entity_id)
        during = rows.filter(pl.col("date").is_between(onset, last))
        before = rows.filter(pl.col("date").is_between(onset - dt.timedelta(days=7), onset, closed="left"))

        def rate(part: pl.DataFrame, over: str, under: str) -> float:
            return part[over].sum() / part[under].sum()

        length = (last - onset).days + 1
        if kind == "ZERO_SPEND":
            assert during.is_empty()
        elif kind == "SPEND_SPIKE":
            assert during["spend"].sum() / length > 0.6 * factor * before["spend"].sum() / 7
        elif kind == "TRACKING_BREAK":
            assert during["leads"].sum() == 0
            assert during["clicks"].sum() > 0
            assert during["lost_leads"].sum() > 0
        elif kind == "CTR_DROP":
            assert rate(during, "expected_clicks", "impressions") < 0.6 * rate(
                before, "expected_clicks", "impressions"
            )
        else:
            assert rate(during, "spend", "impressions") > 1.5 * rate(before, "spend", "impressions")


def test_an_external_move_lifts_the_cpm_of_the_whole_account() -> None:
    source = SyntheticSource(SyntheticConfig(end=END, external_cpm_move=0.5, incidents=0))
    (incident,) = source.truth.incidents.iter_rows(named=True)
    assert incident["entity_type"] == "account"
    rows = source.truth.days.filter(pl.col("entity_type") == "campaign")
    during = rows.filter(pl.col("date").is_between(incident["onset"], incident["last_date"]))
    rest = rows.filter(~pl.col("date").is_between(incident["onset"], incident["last_date"]))
    cpm = [part["spend"].sum() / part["impressions"].sum() for part in (during, rest)]
    assert cpm[0] > 1.3 * cpm[1]


def test_fatigue_lowers_the_ctr_until_someone_acts(source: SyntheticSource, days: pl.DataFrame) -> None:
    fatigue = source.truth.fatigue
    assert set(fatigue["action"]) == {"refresh", "pause", None}
    assert fatigue.filter(pl.col("end").is_null())["action"].null_count() > 0
    ads = days.filter(pl.col("entity_type") == "ad").join(fatigue, left_on="entity_id", right_on="ad_id")
    seven = pl.duration(days=7)
    ends = pl.col("end").fill_null(END + dt.timedelta(days=1))

    def ctr(condition: pl.Expr) -> pl.DataFrame:
        return ads.filter(condition).group_by("entity_id").agg(ctr=pl.col("true_ctr").mean())

    before = ctr(pl.col("date").is_between(pl.col("onset") - seven, pl.col("onset"), closed="left"))
    late = ctr(pl.col("date").is_between(ends - seven, ends, closed="left"))
    both = before.join(late, on="entity_id", suffix="_late")
    assert both.height > 15
    assert (both["ctr_late"] / both["ctr"]).median() < 0.6
    after = ctr((pl.col("action") == "refresh") & (pl.col("date") > pl.col("end")))
    back = late.join(after, on="entity_id", suffix="_after")
    assert (back["ctr_after"] / back["ctr"]).median() > 1.5
    paused = ads.filter(pl.col("action") == "pause", pl.col("date") > pl.col("end"))
    assert paused.is_empty()


def test_what_people_did_stands_in_the_versions_and_stops_delivery(
    source: SyntheticSource, days: pl.DataFrame
) -> None:
    edits = source.truth.edits
    assert {"status", "daily_budget", "creative_id"} == set(edits["field"])
    versions = source.entities().entity_versions
    assert not versions.select("entity_type", "entity_id", "known_at").is_duplicated().any()
    seen = edits.join(versions, on=["entity_type", "entity_id", "known_at"], how="left")
    assert seen["fields"].null_count() == 0
    resting = versions.group_by("entity_id", maintain_order=True).last()
    resting = resting.filter(pl.col("fields").str.contains('"status":"PAUSED"', literal=True))
    assert resting.height > 10
    stopped = days.join(resting.select("entity_id", "known_at"), on="entity_id", suffix="_stop")
    day_of_stop = pl.col("known_at_stop").dt.convert_time_zone("America/Sao_Paulo").dt.date()
    assert stopped.filter(pl.col("date") > day_of_stop).is_empty()
    assert stopped.filter(pl.col("date") < day_of_stop).height > 100


def test_nothing_delivers_before_it_was_created_and_some_start_late(
    source: SyntheticSource, days: pl.DataFrame
) -> None:
    delivery = source.entities()
    created = delivery.entities.select("entity_id", "created_time")
    created_on = pl.col("created_time").dt.convert_time_zone("America/Sao_Paulo").dt.date()
    assert days.join(created, on="entity_id").filter(pl.col("date") < created_on).is_empty()
    assert created.filter(created_on > START).height > 15
    first = delivery.entity_versions.group_by("entity_id").agg(pl.col("known_at").min())
    both = first.join(created, on="entity_id")
    assert (both["known_at"] == both["created_time"]).all()
    young = delivery.entity_versions.filter(pl.col("entity_type") == "adset").join(
        created.filter(created_on > START),
        left_on=["entity_id", "known_at"],
        right_on=["entity_id", "created_time"],
    )
    assert young["fields"].str.contains('"learning_status":"LEARNING"', literal=True).all()


def test_budgets_sit_on_campaigns_or_on_their_adsets_never_on_both(source: SyntheticSource) -> None:
    entities = source.entities().entities
    campaigns = entities.filter(pl.col("entity_type") == "campaign").select(
        "entity_id", owns=pl.col("daily_budget").is_not_null()
    )
    assert campaigns["owns"].sum() == 9
    adsets = entities.filter(pl.col("entity_type") == "adset").join(
        campaigns, left_on="campaign_id", right_on="entity_id"
    )
    assert (adsets["daily_budget"].is_null() == adsets["owns"]).all()
    assert entities.filter(pl.col("entity_type") == "ad")["daily_budget"].null_count() == 278


def test_one_campaign_does_not_seek_leads_and_hardly_has_any(
    source: SyntheticSource, days: pl.DataFrame
) -> None:
    entities = source.entities().entities
    traffic = entities.filter(pl.col("objective") == "OUTCOME_TRAFFIC")
    assert traffic.height == 1
    goals = entities.filter(pl.col("campaign_id") == traffic["entity_id"][0])[
        "optimization_goal"
    ].drop_nulls()
    assert set(goals) == {"LINK_CLICKS"}
    rows = days.filter(pl.col("entity_id") == traffic["entity_id"][0])
    assert rows["leads"].sum() < 0.05 * rows["spend"].sum() / 40
    assert rows["clicks"].sum() > 100


def test_overlap_pairs_are_siblings_with_almost_the_same_targeting(source: SyntheticSource) -> None:
    entities = source.entities().entities
    adsets = {row["entity_id"]: row for row in entities.iter_rows(named=True)}
    pairs = source.truth.overlap_pairs
    assert pairs.height == 6
    for one, other in pairs.iter_rows():
        assert adsets[one]["parent_id"] == adsets[other]["parent_id"]
        first, second = (json.loads(adsets[item]["targeting"]) for item in (one, other))
        assert first.pop("age_max") >= second.pop("age_max")
        assert first == second


def test_targeting_is_json_in_metas_shape(source: SyntheticSource) -> None:
    targeting = source.entities().entities["targeting"].drop_nulls()
    assert targeting.len() == 91
    for text in targeting:
        item = json.loads(text)
        assert 18 <= item["age_min"] < item["age_max"] <= 65
        assert {"geo_locations", "publisher_platforms", "targeting_automation"} <= set(item)


def test_cost_grows_linearly_in_entities() -> None:
    rows, seconds = [], []
    for factor in (1, 2, 20):  # the first pays for what is loaded once
        config = SyntheticConfig(end=END, campaigns=18 * factor, adsets=91 * factor, ads=278 * factor)
        begin = time.process_time()
        rows.append(SyntheticSource(config).insights(LEVELS, START, END, LONG_AFTER).insights.height)
        seconds.append(time.process_time() - begin)
    assert 8 < rows[2] / rows[1] < 12
    assert seconds[2] < 40 * seconds[1]
