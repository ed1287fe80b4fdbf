"""The asset `recommendations`: what it writes and reports, what it refuses, and what survives a re-run."""

import datetime as dt
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import ENTITIES, INSIGHTS
from ml_assets.settings import settings
from ml_assets.sources.protocol import AccountInfo, Delivery
from ml_assets.storage.accounts import add_account
from ml_assets.storage.reads import read_table
from ml_assets.storage.recommendation_actions import dismiss_recommendation
from ml_assets.storage.tables import MLRecommendation
from ml_assets.storage.writes import store_delivery
from ml_assets_tests.defs.conftest import Materialize, failure_of, metadata_of
from ml_assets_tests.features.frames_made import figures, frame, small_tree

JUDGED = ("features", "classifications", "recommendations")
HISTORY_DAYS = 40


BAD_DAYS = 5
"""Fewer than the days for which a recommendation stands, whatever day the test runs on."""


@pytest.fixture
def yesterday() -> dt.date:
    return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)


@pytest.fixture
def hopeless_ad(engine: sa.Engine, yesterday: dt.date) -> int:
    """An account fed from outside, with ten ads of two adsets: of late a1 spends most and brings no lead."""
    tree = small_tree(ads=5)
    days = [yesterday - dt.timedelta(days=back) for back in range(HISTORY_DAYS)]
    known_at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    rows = [
        figures(
            "ad",
            ad["entity_id"],
            day,
            known_at=known_at,
            **({"spend": 60.0, "leads": 0} if ad["entity_id"] == "a1" and day in days[:BAD_DAYS] else {}),
        )
        for ad in tree
        if ad["entity_type"] == "ad"
        for day in days
    ]
    with engine.begin() as connection:
        info = AccountInfo("42", "Clinic", currency="BRL", timezone="UTC", target_cpl=10.0)
        config_id = add_account(connection, info)
        delivery = Delivery(entities=frame(tree, ENTITIES), insights=frame(rows, INSIGHTS))
        store_delivery(connection, config_id, delivery, known_at - dt.timedelta(days=HISTORY_DAYS))
    return config_id


def stored(engine: sa.Engine) -> pl.DataFrame:
    with engine.connect() as connection:
        return read_table(connection, MLRecommendation).sort("id")


def test_a_day_of_all_levels_is_advised_on_and_each_partition_shows_its_plan(
    materialize: Materialize, engine: sa.Engine, hopeless_ad: int, yesterday: dt.date
) -> None:
    result = materialize(JUDGED, yesterday)
    assert result.success
    rows = stored(engine)
    issued = rows.filter(pl.col("blocked_by").is_null())
    pause = issued.filter(pl.col("entity_id") == "a1").row(0, named=True)
    assert (pause["config_id"], pause["recommendation_type"], pause["status"]) == (
        hopeless_ad,
        "PAUSE",
        "active",
    )
    found = metadata_of(result, "recommendations", f"{yesterday}|ad")
    of_ads = rows.filter(pl.col("entity_type") == "ad")
    assert found["dagster/partition_row_count"] == of_ads.height
    assert found["issued"] + found["blocked"] == of_ads.height
    assert found["issued_pause"] == 1
    assert "issued_budget_decrease" not in found  # an ad has no budget
    assert found["money_per_week"] == pytest.approx(
        issued.filter(pl.col("entity_type") == "ad")["cost_of_waiting"].sum()
    )
    assert 0.9 < found["confidence_mean"] <= 1.0
    assert pause["title"] in found["plan"]
    assert found["plan"].startswith("| priority | what to do | sure | money a week | expires |")


@pytest.mark.usefixtures("hopeless_ad")
def test_the_plan_is_written_in_the_language_of_the_run(
    materialize: Materialize, engine: sa.Engine, yesterday: dt.date, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_ASSETS_LANGUAGE", "pt-BR")
    settings.cache_clear()
    assert materialize(JUDGED, yesterday).success
    assert stored(engine).filter(pl.col("entity_id") == "a1")["title"].str.starts_with("Pausar").all()


@pytest.mark.usefixtures("hopeless_ad")
def test_a_date_that_was_not_classified_names_what_to_materialize(
    materialize: Materialize, yesterday: dt.date
) -> None:
    assert materialize(JUDGED[:2], yesterday, levels=[EntityType.CAMPAIGN]).success
    assert materialize("recommendations", yesterday, levels=[EntityType.CAMPAIGN]).success
    failure = failure_of(materialize("recommendations", yesterday, levels=[EntityType.ADSET]))
    assert f"classifications of adsets of account 1 for {yesterday}" in failure
    assert "materialize `classifications`" in failure


@pytest.mark.usefixtures("hopeless_ad")
def test_a_second_run_and_any_order_of_days_leave_the_same_rows(
    materialize: Materialize, engine: sa.Engine, yesterday: dt.date
) -> None:
    day_earlier = yesterday - dt.timedelta(days=1)
    assert materialize(JUDGED[:2], day_earlier, yesterday).success
    for day in (yesterday, day_earlier):
        assert materialize("recommendations", day).success
    before = stored(engine)
    assert before["recommendation_date"].n_unique() == 2
    assert materialize("recommendations", day_earlier, yesterday).success
    assert stored(engine).equals(before)


@pytest.mark.usefixtures("hopeless_ad")
def test_what_was_dismissed_stays_so_through_a_re_run_and_is_not_touched_by_a_refresh(
    materialize: Materialize, engine: sa.Engine, yesterday: dt.date
) -> None:
    assert materialize(JUDGED, yesterday).success
    pause = stored(engine).filter(pl.col("entity_id") == "a1", pl.col("recommendation_type") == "PAUSE")
    with engine.begin() as connection:
        dismiss_recommendation(connection, pause["id"].item(), by="ana", reason="a seasonal test")

    def dismissed() -> dict[str, Any]:
        return stored(engine).filter(pl.col("id") == pause["id"].item()).row(0, named=True)

    assert materialize("recommendations", yesterday).success
    assert (dismissed()["status"], dismissed()["dismissed_by"]) == ("dismissed", "ana")

    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE ml_recommendations SET title = 'as it was'"))
    config = {"ops": {"recommendations": {"config": {"force_refresh": True}}}}
    assert materialize("recommendations", yesterday, run_config=config).success
    kept = stored(engine).filter(pl.col("title") == "as it was")
    assert kept["id"].to_list() == pause["id"].to_list()


@pytest.mark.usefixtures("hopeless_ad")
def test_a_run_restricted_to_an_entity_replaces_only_its_rows(
    materialize: Materialize, engine: sa.Engine, yesterday: dt.date
) -> None:
    assert materialize(JUDGED, yesterday, levels=LEVELS).success
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE ml_recommendations SET title = 'as it was'"))
    config = {"ops": {"recommendations": {"config": {"entity_ids": ["a1"]}}}}
    assert materialize("recommendations", yesterday, levels=[EntityType.AD], run_config=config).success
    renewed = stored(engine).filter(pl.col("title") != "as it was")
    assert renewed["entity_id"].unique().to_list() == ["a1"]


@pytest.mark.usefixtures("hopeless_ad")
def test_a_day_on_which_nothing_is_sure_enough_says_so(materialize: Materialize, yesterday: dt.date) -> None:
    long_ago = yesterday - dt.timedelta(days=400)
    result = materialize(JUDGED, long_ago, levels=[EntityType.CAMPAIGN])
    assert result.success
    found = metadata_of(result, "recommendations", f"{long_ago}|campaign")
    assert found["dagster/partition_row_count"] == 0
    assert "Nothing is sure enough to act on" in found["notes"]
