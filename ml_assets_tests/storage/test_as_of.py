import datetime as dt
import json
from dataclasses import replace

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from sqlalchemy import event

from ml_assets.entities import LEVELS
from ml_assets.frames import ACCOUNTS, ENTITIES, ENTITY_VERSIONS, INSIGHTS, fill_missing
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource
from ml_assets.storage.accounts import add_account
from ml_assets.storage.as_of import History, Known, known_until, read_history
from ml_assets.storage.development import read_lead_development
from ml_assets.storage.reads import read_insights
from ml_assets.storage.writes import store_delivery
from ml_assets_tests.storage.frames_of import entity, frame, insight

END = dt.date(2026, 6, 30)
DATE = dt.date(2026, 6, 10)
LATER = dt.datetime(2026, 6, 15, 9, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def source() -> SyntheticSource:
    config = SyntheticConfig(seed=5, end=END, days=60, campaigns=3, adsets=6, ads=12, launch_share=0.4)
    return SyntheticSource(config)


@pytest.fixture(scope="module")
def history(source: SyntheticSource) -> History:
    def keyed(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(config_id=pl.lit(1, pl.Int64))

    described = source.entities()
    figures = source.insights(LEVELS, source.config.first_day, END, source.last_sync)
    account = {"config_id": [1], "account_id": ["a"], "timezone": [source.config.timezone]}
    return History(
        accounts=fill_missing(pl.DataFrame(account), ACCOUNTS),
        entities=fill_missing(keyed(described.entities), ENTITIES),
        versions=fill_missing(keyed(described.entity_versions), ENTITY_VERSIONS),
        insights=fill_missing(keyed(figures.insights), INSIGHTS),
    )


def assert_same(one: Known, other: Known) -> None:
    for name in ("entities", "versions", "insights", "development"):
        assert_frame_equal(getattr(one, name), getattr(other, name), check_row_order=False)


def changed_later(history: History) -> History:
    """The same history with everything of the days after `DATE` another, and restated and edited later."""
    restated = history.insights.filter(pl.col("date") <= DATE).with_columns(
        pl.col("leads") + 100, known_at=pl.lit(LATER, dtype=INSIGHTS["known_at"])
    )
    tomorrow = history.insights.with_columns(
        pl.when(pl.col("date") > DATE).then(pl.col(name) * 3).otherwise(name).alias(name)
        for name in ("spend", "impressions", "leads")
    )
    state = json.dumps({"status": "PAUSED", "effective_status": "PAUSED", "daily_budget": 1.0})
    edited = history.versions.unique(["entity_type", "entity_id"], maintain_order=True).with_columns(
        known_at=pl.lit(LATER, dtype=INSIGHTS["known_at"]), fields=pl.lit(state)
    )
    return replace(
        history,
        entities=history.entities.with_columns(
            status=pl.lit("PAUSED"), effective_status=pl.lit("PAUSED"), daily_budget=pl.lit(1.0)
        ),
        versions=pl.concat([history.versions, edited]),
        insights=pl.concat([tomorrow, restated]),
    )


def test_nothing_that_came_later_is_known(history: History) -> None:
    assert_same(changed_later(history).at(DATE), history.at(DATE))


def test_the_order_of_rows_does_not_matter(history: History) -> None:
    shuffled = replace(
        history,
        insights=history.insights.sample(fraction=1.0, shuffle=True, seed=1),
        versions=history.versions.sample(fraction=1.0, shuffle=True, seed=2),
        entities=history.entities.sample(fraction=1.0, shuffle=True, seed=3),
    )
    assert_same(shuffled.at(DATE), history.at(DATE))


def test_entities_are_what_the_source_would_have_told_that_morning(
    source: SyntheticSource, history: History
) -> None:
    moment = known_until(history.accounts, DATE)["known_until"].item()
    then = source.entities(moment).entities
    known = history.at(DATE).entities
    fields = ["entity_type", "entity_id", "status", "effective_status", "daily_budget", "learning_status"]
    assert known.height < history.entities.height
    assert_frame_equal(known.select(fields), then.select(fields), check_row_order=False)


def test_a_date_is_decided_with_its_figures_read_on_the_morning_after(history: History) -> None:
    known = history.at(DATE).insights.filter(pl.col("date") == DATE, pl.col("window_days") == 1)
    assert known.height
    read_on = known["known_at"].dt.convert_time_zone("America/Sao_Paulo").dt.date().unique()
    assert read_on.to_list() == [DATE + dt.timedelta(days=1)]


def test_current_figures_are_restated_ones_of_the_same_days(history: History) -> None:
    then, now = history.at(DATE).insights, history.at(DATE, current_figures=True).insights
    assert now["date"].max() == DATE
    daily = pl.col("window_days") == 1
    assert now.filter(daily)["leads"].sum() > then.filter(daily)["leads"].sum()


def test_an_entity_without_any_version_is_as_its_row_says_and_one_created_later_is_not_known() -> None:
    created = dt.datetime(2026, 6, 20, tzinfo=dt.UTC)
    history = History(
        accounts=fill_missing(pl.DataFrame({"config_id": [1], "timezone": ["UTC"]}), ACCOUNTS),
        entities=frame(
            [
                entity("campaign", "c", status="PAUSED", daily_budget=30.0),
                entity("campaign", "new", created_time=created),
            ],
            ENTITIES,
        ),
        versions=pl.DataFrame(schema=dict(ENTITY_VERSIONS)),
        insights=pl.DataFrame(schema=dict(INSIGHTS)),
    )
    rows = history.at(DATE).entities
    assert rows.select("entity_id", "status", "daily_budget").rows() == [("c", "PAUSED", 30.0)]


def test_what_has_known_children_is_known() -> None:
    figures = insight("x", entity_type="ad", date=DATE, known_at=dt.datetime(2026, 6, 11, 5, tzinfo=dt.UTC))
    tree = [
        entity("campaign", "c", campaign_id="c"),
        entity("adset", "s", "c", campaign_id="c"),
        entity("ad", "x", "s", campaign_id="c"),
    ]
    versions = pl.DataFrame(
        {
            "config_id": [1] * 3,
            "entity_type": ["campaign", "adset", "ad"],
            "entity_id": ["c", "s", "x"],
            "known_at": [LATER] * 3,
            "fields": ['{"status":"PAUSED"}'] * 3,
        }
    )
    history = History(
        accounts=fill_missing(pl.DataFrame({"config_id": [1], "timezone": ["UTC"]}), ACCOUNTS),
        entities=frame([{**row, "status": "PAUSED"} for row in tree], ENTITIES),
        versions=fill_missing(versions, ENTITY_VERSIONS),
        insights=frame([figures], INSIGHTS),
    )
    rows = history.at(DATE).entities
    assert rows.select("entity_id", "status").rows() == [("c", None), ("s", None), ("x", None)]
    assert history.at(DATE - dt.timedelta(days=1)).entities.is_empty()


def test_the_cut_agrees_with_the_database_and_reads_it_a_few_times_whatever_the_dates(
    engine: sa.Engine, source: SyntheticSource
) -> None:
    first = source.config.first_day
    with engine.begin() as connection:
        config_id = add_account(connection, source.account())
        delivery = replace(
            source.entities(), insights=source.insights(LEVELS, first, END, source.last_sync).insights
        )
        store_delivery(connection, config_id, delivery, source.last_sync)
    statements: list[str] = []
    with engine.connect() as connection:
        event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
        history = read_history(connection, first, END, [config_id]).followed()
        queries = len(statements)
        cuts = [history.at(END - dt.timedelta(days=back)) for back in range(21)]
        assert len(statements) == queries <= 8
        moment = known_until(history.accounts, DATE)["known_until"].item()
        then = read_insights(connection, first, DATE, as_of=moment)
        development = read_lead_development(connection, first, DATE, as_of=moment)
    known = cuts[(END - DATE).days]
    assert_frame_equal(known.insights.drop("actions"), then.drop("actions"), check_row_order=False)
    assert_frame_equal(known.development, development, check_row_order=False)
