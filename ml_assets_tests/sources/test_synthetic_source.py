"""What the synthetic account delivers: shape, determinism, hierarchy and versions."""

import datetime as dt
import json

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_assets.entities import LEVELS, EntityType
from ml_assets.errors import UsageError
from ml_assets.frames import ENTITIES, ENTITY_VERSIONS, INSIGHTS
from ml_assets.metrics import ADDITIVE
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource

END = dt.date(2026, 2, 28)
START = dt.date(2025, 11, 1)
LONG_AFTER = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
KEY = ["entity_type", "entity_id", "date", "window_days"]


@pytest.fixture(scope="module")
def source() -> SyntheticSource:
    return SyntheticSource(SyntheticConfig(end=END))


@pytest.fixture(scope="module")
def versions(source: SyntheticSource) -> pl.DataFrame:
    return source.insights(LEVELS, START, END, LONG_AFTER).insights


@pytest.fixture(scope="module")
def days(source: SyntheticSource) -> pl.DataFrame:
    final = source.insights(LEVELS, START, END, LONG_AFTER, versions=False).insights
    return final.filter(pl.col("window_days") == 1)


@pytest.fixture(scope="module")
def entities(source: SyntheticSource) -> pl.DataFrame:
    return source.entities().entities


def test_the_tree_has_the_asked_sizes_and_every_parent_has_a_child(entities: pl.DataFrame) -> None:
    assert dict(entities.group_by("entity_type").len().iter_rows()) == {
        "campaign": 18,
        "adset": 91,
        "ad": 278,
    }
    for level in (EntityType.ADSET, EntityType.AD):
        parents = entities.filter(pl.col("entity_type") == level.parent)["entity_id"]
        children = entities.filter(pl.col("entity_type") == level)
        assert set(children["parent_id"]) == set(parents)
        assert children.group_by("parent_id").len()["len"].n_unique() > 2


def test_ids_are_text_of_15_to_18_digits_and_unique(entities: pl.DataFrame) -> None:
    assert entities["entity_id"].str.contains(r"^\d{15,18}$").all()
    assert entities["entity_id"].is_unique().all()


def test_frames_have_their_contract_schema(source: SyntheticSource, versions: pl.DataFrame) -> None:
    delivery = source.entities()
    assert delivery.entities.schema == dict(ENTITIES)
    assert delivery.entity_versions.schema == dict(ENTITY_VERSIONS)
    assert versions.schema == dict(INSIGHTS)


def test_equal_configs_deliver_equal_frames_whatever_is_asked_first(versions: pl.DataFrame) -> None:
    again = SyntheticSource.from_config({"kind": "synthetic", "end": "2026-02-28"})
    week = again.insights([EntityType.AD], dt.date(2026, 2, 1), dt.date(2026, 2, 7), LONG_AFTER).insights
    same = versions.filter(
        pl.col("entity_type") == "ad",
        pl.col("date").is_between(dt.date(2026, 2, 1), dt.date(2026, 2, 7)),
    )
    assert_frame_equal(week, same)
    assert_frame_equal(again.insights(LEVELS, START, END, LONG_AFTER).insights, versions)


def test_another_seed_is_another_account(days: pl.DataFrame) -> None:
    other = SyntheticSource(SyntheticConfig(end=END, seed=8))
    spend = other.insights(LEVELS, START, END, LONG_AFTER, versions=False).insights["spend"].sum()
    assert spend != days["spend"].sum()


def test_rows_are_possible_and_keyed(versions: pl.DataFrame) -> None:
    assert not versions.select(*KEY, "known_at").is_duplicated().any()
    day = versions.filter(pl.col("window_days") == 1)
    assert day.select(
        (pl.col("spend") > 0).all()
        & (pl.col("impressions") > 0).all()
        & (pl.col("clicks") <= pl.col("impressions")).all()
        & (pl.col("link_clicks") <= pl.col("clicks")).all()
        & (pl.col("leads") >= 0).all()
        & pl.col("reach").is_between(1, pl.col("impressions")).all()
    ).item()
    assert (day["spend"] * 100 - (day["spend"] * 100).round()).abs().max() < 1e-6


def test_children_sum_to_their_parent_but_for_the_stated_residual(
    source: SyntheticSource, days: pl.DataFrame, entities: pl.DataFrame
) -> None:
    parents = entities.select("entity_id", "parent_id")
    total = (
        days.join(parents.drop_nulls(), on="entity_id")
        .group_by("parent_id", "date")
        .agg(pl.col(ADDITIVE).sum())
    )
    compared = days.filter(pl.col("entity_type") != "ad").join(
        total, left_on=["entity_id", "date"], right_on=["parent_id", "date"], how="full", suffix="_children"
    )
    assert compared["entity_id"].null_count() == 0
    assert compared["spend_children"].null_count() == 0
    residual = compared.select(
        "entity_type",
        "entity_id",
        "date",
        *((pl.col(name) - pl.col(f"{name}_children")).round(2).alias(name) for name in ADDITIVE),
    ).filter(pl.any_horizontal(pl.col(ADDITIVE) != 0))
    assert set(residual["entity_type"]) == {"campaign"}
    stated = source.truth.residuals
    assert stated.height > 20
    assert_frame_equal(
        residual.select(pl.col("entity_id").alias("campaign_id"), "date", *ADDITIVE),
        stated.select("campaign_id", "date", *ADDITIVE),
        check_row_order=False,
        check_dtypes=False,
    )


@pytest.mark.parametrize("window_days", [1, 7])
def test_reach_of_a_parent_lies_between_its_largest_child_and_their_sum(
    versions: pl.DataFrame, entities: pl.DataFrame, window_days: int
) -> None:
    rows = versions.filter(pl.col("window_days") == window_days).unique(KEY, keep="last")
    parents = entities.select("entity_id", "parent_id")
    children = (
        rows.join(parents, on="entity_id")
        .group_by("parent_id", "date")
        .agg(pl.col("reach").sum().alias("total"), pl.col("reach").max().alias("largest"), pl.len())
    )
    both = rows.join(children, left_on=["entity_id", "date"], right_on=["parent_id", "date"])
    assert both["reach"].is_between(both["largest"], both["total"]).all()
    assert both.filter(pl.col("len") > 1).select((pl.col("reach") < pl.col("total")).mean()).item() > 0.9


def test_weekly_reach_is_less_than_the_sum_of_daily_reach(versions: pl.DataFrame) -> None:
    daily = versions.filter(pl.col("window_days") == 1).unique(KEY, keep="last")
    week = versions.filter(pl.col("window_days") == 7, pl.col("date") == END)
    assert (
        week.select("spend", "clicks", "leads", "actions").null_count().sum_horizontal().item()
        == 4 * week.height
    )
    total = (
        daily.filter(pl.col("date") > END - dt.timedelta(days=7))
        .group_by("entity_id")
        .agg(pl.col("reach", "impressions").sum().name.suffix("_daily"))
    )
    both = week.join(total, on="entity_id")
    assert both.height == week.height
    assert (both["impressions"] == both["impressions_daily"]).all()
    assert (both["reach"] <= both["reach_daily"]).all()


def test_a_day_is_known_from_the_next_morning_on_and_restated_for_28_days(versions: pl.DataFrame) -> None:
    local = versions["known_at"].dt.convert_time_zone("America/Sao_Paulo")
    assert (local.dt.hour() == 5).all()
    age = (local.dt.date() - versions["date"]).dt.total_days()
    assert age.min() == 1
    assert age.max() == 28


def test_nothing_is_delivered_that_was_not_known_yet(source: SyntheticSource, versions: pl.DataFrame) -> None:
    instant = dt.datetime(2026, 2, 10, 12, tzinfo=dt.UTC)
    then = source.insights(LEVELS, START, END, instant).insights
    assert then["known_at"].max() == dt.datetime(2026, 2, 10, 8, tzinfo=dt.UTC)
    assert then["date"].max() == dt.date(2026, 2, 9)
    assert_frame_equal(then, versions.filter(pl.col("known_at") <= instant))


def test_without_versions_the_newest_known_one_of_each_row_is_left(
    source: SyntheticSource, versions: pl.DataFrame
) -> None:
    instant = dt.datetime(2026, 2, 10, 12, tzinfo=dt.UTC)
    newest = source.insights(LEVELS, START, END, instant, versions=False).insights
    expected = versions.filter(pl.col("known_at") <= instant).sort("known_at").unique(KEY, keep="last")
    assert_frame_equal(newest, expected, check_row_order=False)


def test_a_version_differs_from_the_one_before_it_and_figures_go_down_too(versions: pl.DataFrame) -> None:
    figures = ["spend", "leads", "actions"]
    change = (
        versions.filter(pl.col("window_days") == 1)
        .sort("known_at")
        .with_columns(pl.col(figures).shift(1).over(KEY).name.suffix("_before"))
        .drop_nulls("spend_before")
    )
    assert change.select(pl.any_horizontal(pl.col(n) != pl.col(f"{n}_before") for n in figures).all()).item()
    ads = change.filter(pl.col("entity_type") == "ad")
    more, fewer = (
        ads.select(condition.sum()).item()
        for condition in (pl.col("leads") > pl.col("leads_before"), pl.col("leads") < pl.col("leads_before"))
    )
    assert 0 < fewer < 0.1 * more
    assert (ads["spend"] < ads["spend_before"]).sum() > 50
    assert not (ads["spend"] > ads["spend_before"]).any()


def test_actions_are_hierarchical_as_at_meta(days: pl.DataFrame) -> None:
    rows = days.filter(pl.col("entity_type") == "campaign", pl.col("leads") > 2).head(200)
    for leads, link_clicks, text in rows.select("leads", "link_clicks", "actions").iter_rows():
        actions = {item["action_type"]: int(item["value"]) for item in json.loads(text)}
        assert actions["lead"] == leads
        assert actions["link_click"] == link_clicks
        onsite = actions.get("onsite_conversion.lead_grouped", 0)
        assert onsite + actions.get("offsite_conversion.fb_pixel_lead", 0) == leads


def test_the_account_lives_on_towards_an_end_in_the_future() -> None:
    config = SyntheticConfig(end=dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30), days=60)
    source = SyntheticSource(config)
    now = dt.datetime.now(dt.UTC)
    delivered = source.insights(LEVELS, config.first_day, config.last_day, now).insights
    assert delivered["known_at"].max() <= now
    assert source.entities().entity_versions["known_at"].max() <= now
    assert SyntheticSource().config.last_day < now.date() + dt.timedelta(days=1)


def test_small_accounts_work() -> None:
    source = SyntheticSource(SyntheticConfig(end=END, campaigns=1, adsets=1, ads=1, days=3))
    assert source.insights(LEVELS, START, END, LONG_AFTER).insights["entity_type"].n_unique() == 3
    assert source.entities().entities.height == 3
    assert source.truth.incidents.is_empty()


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"adsets": 3}, "at least one adset per campaign"),
        ({"colour": "red"}, "has no setting colour"),
        ({"end": "soon"}, "end is a day like"),
        ({"dispersion": 0.5}, "at least 1"),
        ({"timezone": "Mars/Base"}, "not an IANA time zone"),
    ],
)
def test_a_config_that_cannot_be_is_refused_in_a_sentence(config: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        SyntheticSource.from_config(config)


def test_asking_without_a_time_zone_is_refused(source: SyntheticSource) -> None:
    with pytest.raises(UsageError, match="time zone"):
        source.insights(LEVELS, START, END, dt.datetime(2026, 1, 1))  # noqa: DTZ001
