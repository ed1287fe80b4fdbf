"""Days that cannot be judged are found, and no day of an ordinary account is taken for one."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import polars as pl
import pytest

from benchmarks.accounts import END, make_account
from ml_assets.anomalies.data_quality import DataQuality, data_quality
from ml_assets.anomalies.frames import ANOMALIES, RUNNING_DAYS
from ml_assets.anomalies.inputs import AnomalyInputs
from ml_assets.entities import LEVELS
from ml_assets.entity_metrics import conform_insights
from ml_assets.features import FeatureInputs
from ml_assets.frames import ENTITY_VERSIONS
from ml_assets_tests.features.frames_made import (
    D,
    Row,
    account,
    ad,
    adset,
    campaign,
    day,
    feature_inputs,
    figures,
    frame,
)

DATE = END - dt.timedelta(days=5)
MONTH = [END - dt.timedelta(days=back) for back in range(30)]
ALL = [level.value for level in LEVELS]
Change = Callable[[pl.DataFrame], pl.DataFrame]


@cache
def source(seed: int = 0) -> FeatureInputs:
    return make_account(seed).inputs


@cache
def insights(seed: int = 0) -> pl.DataFrame:
    """The newest version of every daily row of an account as it stood on the morning after its last day."""
    made = make_account(seed).source
    known = dt.datetime.combine(END + dt.timedelta(days=1), dt.time(12), tzinfo=dt.UTC)
    versions = made.insights(LEVELS, END - dt.timedelta(days=60), END, known).insights
    return (
        versions.filter(pl.col("window_days") == 1)
        .with_columns(config_id=pl.lit(1, pl.Int64))
        .sort("known_at")
        .unique(["entity_type", "entity_id", "date"], keep="last", maintain_order=True)
    )


def inputs_of(rows: pl.DataFrame, **changes: pl.DataFrame) -> AnomalyInputs:
    figures_of = replace(source(), metrics=conform_insights(rows, source().entities), **changes)
    return AnomalyInputs(figures_of)


def on(date: dt.date, *levels: str) -> pl.Expr:
    return (pl.col("date") == date) & pl.col("entity_type").is_in(levels or ALL)


def judged_badly(quality: DataQuality) -> list[tuple[dt.date, str]]:
    return quality.unjudged.select("date", "entity_type").rows()


def broken(change: Change) -> DataQuality:
    return data_quality(inputs_of(change(insights())), MONTH)


def doubled(*levels: str) -> Change:
    numbers = ("spend", "impressions", "clicks", "leads")
    return lambda rows: rows.with_columns(
        pl.when(on(DATE, *levels)).then(2 * pl.col(name)).otherwise(name).alias(name) for name in numbers
    )


def without(*levels: str) -> Change:
    return lambda rows: rows.filter(~on(DATE, *levels))


def every_other(level: str) -> Change:
    return lambda rows: rows.filter(~on(DATE, level) | (pl.col("entity_id").hash(seed=3) % 2 == 0))


@pytest.mark.parametrize("seed", range(5))
def test_no_day_of_an_ordinary_account_is_taken_for_a_bad_one(seed: int) -> None:
    quality = data_quality(AnomalyInputs(source(seed)), MONTH)
    assert quality.rows.rows() == []
    assert quality.unjudged.rows() == []


@pytest.mark.parametrize(
    "shape",
    [
        {"campaigns": 1, "adsets": 1, "ads": 1, "intraday": True},
        {"campaigns": 1, "adsets": 3, "ads": 8},
        {"campaigns": 3, "adsets": 6, "ads": 12, "residual_share": 0.2},
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_nor_one_of_a_small_account(seed: int, shape: dict[str, float]) -> None:
    quality = data_quality(AnomalyInputs(make_account(seed, **shape).inputs), MONTH)
    assert quality.unjudged.rows() == []


@pytest.mark.parametrize(
    ("change", "unjudged"),
    [
        pytest.param(doubled("ad"), ["ad"], id="ads twice"),
        pytest.param(doubled("adset"), ["adset"], id="adsets twice"),
        pytest.param(doubled("campaign"), ["campaign"], id="campaigns twice"),
        pytest.param(every_other("ad"), ["ad"], id="half of the ads"),
        pytest.param(every_other("adset"), ["adset"], id="half of the adsets"),
        pytest.param(every_other("campaign"), ["campaign"], id="half of the campaigns"),
        pytest.param(without("ad"), ["ad"], id="no ads"),
        pytest.param(without("adset"), ["adset"], id="no adsets"),
        pytest.param(without("campaign"), ["campaign"], id="no campaigns"),
        pytest.param(without("adset", "ad"), ["ad", "adset"], id="campaigns alone"),
    ],
)
def test_the_level_that_is_wrong_is_not_judged_on_its_day_and_the_others_are(
    change: Change, unjudged: list[str]
) -> None:
    quality = broken(change)
    assert judged_badly(quality) == [(DATE, level) for level in unjudged]
    assert quality.rows["anomaly_date"].unique().to_list() == [DATE]


def test_where_two_levels_are_delivered_and_differ_neither_is_judged() -> None:
    rows = every_other("ad")(insights()).filter(pl.col("entity_type") != "adset")
    assert judged_badly(data_quality(inputs_of(rows), MONTH)) == [(DATE, level) for level in sorted(ALL)]


def test_rows_name_the_adsets_whose_ads_do_not_add_up() -> None:
    rows = broken(every_other("ad")).rows
    assert rows.schema == ANOMALIES
    assert rows["entity_type"].unique().to_list() == ["adset"]
    assert (rows["observed_value"] < rows["expected_value"]).all()
    assert set(rows["metric_name"]) == {"levels"}
    assert set(rows["direction"]) == {"down"}
    assert set(rows["severity"]) == {"MEDIUM"}
    assert not rows["is_alert"].any()
    assert rows["incident_id"].null_count() == rows.height
    assert rows["detected_at"].null_count() == 0
    up = broken(doubled("ad")).rows
    assert set(up["direction"]) == {"up"}
    assert up["observed_value"].sum() == pytest.approx(2 * up["expected_value"].sum())


def test_one_campaign_without_its_adsets_is_named_but_the_level_is_judged() -> None:
    largest = insights().filter(on(DATE, "campaign")).sort("spend", descending=True)["entity_id"].to_list()[0]
    below = source().entities.filter(pl.col("campaign_id") == largest, pl.col("entity_type") != "campaign")
    quality = broken(lambda rows: rows.filter(~(on(DATE) & pl.col("entity_id").is_in(below["entity_id"]))))
    assert quality.unjudged.rows() == []
    assert quality.rows.select("entity_id", "severity").rows() == [(largest, "LOW")]


def test_leads_that_a_level_lost_are_found_although_the_spend_is_there() -> None:
    quality = broken(lambda rows: rows.with_columns(leads=pl.when(on(DATE, "ad")).then(0).otherwise("leads")))
    assert judged_badly(quality) == [(DATE, "ad")]
    assert "leads" in quality.unjudged["reason"].item()


def test_a_steady_residual_is_no_alarm_and_a_further_loss_is() -> None:
    """Adsets that Meta no longer delivers: every campaign spends a fifth more than its adsets."""
    more = insights().with_columns(
        spend=pl.when(pl.col("entity_type") == "campaign").then(1.25 * pl.col("spend")).otherwise("spend")
    )
    assert data_quality(inputs_of(more), MONTH).rows.is_empty()
    assert judged_badly(data_quality(inputs_of(every_other("adset")(more)), MONTH)) == [(DATE, "adset")]


def read_at(rows: pl.DataFrame, hour: int, *levels: str) -> pl.DataFrame:
    """DATE was last read at an hour of its own (UTC), the days before it by then at the latest."""
    moment = dt.datetime.combine(DATE, dt.time(hour), tzinfo=dt.UTC)
    return rows.with_columns(
        known_at=pl.when(on(DATE, *levels))
        .then(pl.lit(moment, pl.Datetime("us", "UTC")))
        .otherwise("known_at")
    )


def test_a_day_read_for_the_last_time_before_it_ended_is_not_judged() -> None:
    quality = data_quality(inputs_of(read_at(insights(), 15)), MONTH)
    assert judged_badly(quality) == [(DATE, level) for level in sorted(ALL)]
    assert "2026-06-25 12:00" in quality.unjudged["reason"][0]  # in São Paulo
    assert set(quality.rows["entity_type"]) == {"campaign"}
    assert set(quality.rows["metric_name"]) == {"spend"}


def test_of_a_pull_that_broke_off_the_level_it_lacks_is_not_judged() -> None:
    half = read_at(insights(), 15, "ad").with_columns(
        spend=pl.when(on(DATE, "ad")).then(0.5 * pl.col("spend")).otherwise("spend")
    )
    assert judged_badly(data_quality(inputs_of(half), MONTH)) == [(DATE, "ad")]


def test_the_day_ends_where_the_account_is() -> None:
    until = insights().filter(pl.col("date") <= DATE)
    for hours, days in ((3, 3), (4, 0)):  # 23:00 and 24:00 in São Paulo
        read = read_at(until, 23).with_columns(pl.col("known_at") + pl.duration(hours=hours))
        assert data_quality(inputs_of(read), [DATE]).unjudged.height == days
    tokyo = source().accounts.with_columns(timezone=pl.lit("Asia/Tokyo"))
    at_14 = read_at(insights(), 14)
    assert judged_badly(data_quality(inputs_of(at_14, accounts=tokyo), [DATE])) == [
        (DATE, level) for level in sorted(ALL)
    ]
    at_15 = read_at(insights(), 15)
    assert data_quality(inputs_of(at_15, accounts=tokyo), [DATE]).unjudged.is_empty()


def test_rows_without_a_moment_of_reading_are_final() -> None:
    rows = insights().with_columns(known_at=pl.lit(None, pl.Datetime("us", "UTC")))
    assert data_quality(inputs_of(rows), MONTH).unjudged.is_empty()


def test_a_loader_that_always_stamps_the_day_itself_is_not_late_every_day() -> None:
    rows = insights().with_columns(
        known_at=pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    )
    assert data_quality(inputs_of(rows), MONTH).unjudged.is_empty()


def test_a_day_that_runs_is_never_complete_and_is_left_alone() -> None:
    inputs = inputs_of(read_at(every_other("ad")(insights()), 15))
    running = replace(inputs, running=frame([{"config_id": 1, "date": DATE, "share": 0.6}], RUNNING_DAYS))
    quality = data_quality(running, MONTH)
    assert (quality.rows.height, quality.unjudged.height) == (0, 0)


def small(backs: range, read_hours_later: int = 30, **changes: object) -> AnomalyInputs:
    """c1 > s1 > a1 in UTC, read each time 30 hours after its day began."""
    rows: list[Row] = [
        figures(
            level,
            entity_id,
            day(back),
            known_at=dt.datetime.combine(day(back), dt.time(), tzinfo=dt.UTC)
            + dt.timedelta(hours=read_hours_later),
        )
        for level, entity_id in (("campaign", "c1"), ("adset", "s1"), ("ad", "a1"))
        for back in backs
    ]
    tree = [campaign("c1"), adset("s1", "c1"), ad("a1", "s1", "c1")]
    made = feature_inputs([{**row, **changes} for row in tree], rows, [account()])
    return AnomalyInputs(made)


def test_a_day_that_was_never_read_is_no_stop() -> None:
    quality = data_quality(small(range(1, 30)), [D])
    assert judged_badly(quality) == [(D, level) for level in sorted(ALL)]
    assert quality.rows.select("entity_id", "observed_value", "expected_value").rows() == [("c1", 0.0, 20.0)]


def test_a_day_without_rows_of_an_account_that_was_read_since_is_a_stop() -> None:
    later = dt.datetime.combine(day(-1), dt.time(6), tzinfo=dt.UTC)
    assert data_quality(small(range(1, 30), synced_at=later), [D]).unjudged.is_empty()
    assert data_quality(small(range(1, 30), read_hours_later=72), [D]).unjudged.is_empty()


def test_an_account_that_ended_is_not_missed_for_ever() -> None:
    silent_since = [bool(judged_badly(data_quality(small(range(back, 30)), [D]))) for back in range(1, 8)]
    assert silent_since == [True, True, True, False, False, False, False]


def test_a_day_that_a_person_cut_short_is_read_to_its_end() -> None:
    inputs = small(range(30))
    noon = dt.datetime.combine(D, dt.time(12), tzinfo=dt.UTC)
    metrics = inputs.figures.metrics.with_columns(
        known_at=pl.when(pl.col("date") == D).then(pl.lit(noon)).otherwise("known_at")
    )
    cut = replace(inputs.figures, metrics=metrics)
    assert data_quality(AnomalyInputs(cut), [D]).unjudged.height == 3
    key: Row = {"config_id": 1, "entity_type": "campaign", "entity_id": "c1"}
    versions = frame(
        [
            {**key, "known_at": noon - dt.timedelta(days=40), "fields": '{"effective_status":"ACTIVE"}'},
            {**key, "known_at": noon, "fields": '{"effective_status":"PAUSED"}'},
        ],
        ENTITY_VERSIONS,
    )
    assert data_quality(AnomalyInputs(replace(cut, versions=versions)), [D]).unjudged.is_empty()


def test_a_source_of_ads_alone_has_nothing_to_reconcile() -> None:
    rows = insights().filter(pl.col("entity_type") == "ad")
    quality = data_quality(inputs_of(rows), MONTH)
    assert (quality.rows.height, quality.unjudged.height) == (0, 0)


def test_a_level_that_is_delivered_from_some_day_on_is_not_missed_before_it() -> None:
    rows = insights().filter((pl.col("entity_type") != "adset") | (pl.col("date") >= DATE))
    assert data_quality(inputs_of(rows), MONTH).unjudged.is_empty()


def test_no_dates_and_no_rows_are_no_trouble() -> None:
    assert data_quality(inputs_of(insights()), []).rows.schema == ANOMALIES
    nothing = data_quality(inputs_of(insights().clear()), MONTH)
    assert (nothing.rows.height, nothing.unjudged.height) == (0, 0)


def test_the_order_of_rows_the_days_after_and_the_dates_asked_for_change_nothing() -> None:
    rows = every_other("ad")(insights())
    metrics = conform_insights(rows, source().entities)
    found = data_quality(inputs_of(rows), MONTH)

    def of(metrics: pl.DataFrame, dates: list[dt.date]) -> DataQuality:
        return data_quality(AnomalyInputs(replace(source(), metrics=metrics)), dates)

    for other in (
        of(metrics.sample(fraction=1.0, shuffle=True, seed=1), MONTH[::-1]),
        of(metrics.filter(pl.col("date") <= DATE), [DATE]),
        of(metrics.filter(pl.col("date") != DATE + dt.timedelta(days=1)), [DATE]),
    ):
        assert other.rows.equals(found.rows)
        assert other.unjudged.equals(found.unjudged)
