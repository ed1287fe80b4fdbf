"""The chain of migrations, up and down, on both databases, with rows of a user."""

import datetime as dt
import json
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from ml_assets.storage.archive import reflect
from ml_assets.storage.bulk import fetch, insert_frame, schema_of
from ml_assets.storage.engine import create_engine
from ml_assets.storage.schema import (
    alembic_config,
    downgrade,
    head_revision,
    schema_revision,
    upgrade,
)
from ml_assets.storage.tables import Base

MORNING = dt.datetime(2025, 11, 3, 5, 0, tzinfo=dt.UTC)

LEGACY_ROWS: dict[str, list[dict[str, Any]]] = {
    "ml_trained_models": [
        {
            "name": "cpl",
            "model_type": "TIME_SERIES_CPL",
            "version": "1",
            "model_path": "/models/1.pkl",
            "parameters": {"a": 1},
            "status": "ACTIVE",
            "is_active": True,
            "samples_count": 12,
        },
        {"name": "old", "model_type": "RECOMMENDER", "version": "0", "model_path": "x", "status": "FAILED"},
    ],
    "ml_predictions": [
        {
            "model_id": 1,
            "config_id": 1,
            "entity_type": "campaign",
            "entity_id": "11",
            "prediction_type": "CPL_FORECAST",
            "forecast_date": MORNING,
            "horizon_days": 7,
            "predicted_value": 12.5,
        }
    ],
    "ml_training_jobs": [{"model_type": "RECOMMENDER", "status": "FAILED", "model_id": 2, "progress": 0.5}],
    "ml_campaign_classifications": [
        {
            "config_id": 1,
            "campaign_id": "11",
            "tier": "LOW",
            "confidence_score": 0.7,
            "metrics_snapshot": {"cpl": 20.0},
            "previous_tier": "MODERATE",
            "tier_change_direction": "down",
            "classified_at": MORNING,
        },
        {
            "config_id": 1,
            "campaign_id": "11",
            "tier": "MODERATE",
            "confidence_score": 0.6,
            "classified_at": MORNING + dt.timedelta(hours=2),
        },
        {"config_id": 1, "campaign_id": "12", "tier": "HIGH_PERFORMER", "confidence_score": 0.9},
    ],
    "ml_recommendations": [
        {
            "config_id": 1,
            "entity_type": "campaign",
            "entity_id": "11",
            "recommendation_type": kind,
            "priority": 5,
            "title": f'{kind} "now", please',
            "suggested_action": {"by": 0.2},
            "confidence_score": 0.8,
            "created_at": MORNING,
            **flags,
        }
        for kind, flags in (
            ("PAUSE_CAMPAIGN", {"is_active": True}),
            ("OPTIMIZE_SCHEDULE", {"is_active": False}),
            ("SCALE_UP", {"was_applied": True, "applied_by": 7, "applied_at": MORNING, "is_active": True}),
            ("REACTIVATE", {"dismissed": True, "dismissed_by": 8, "was_applied": True, "is_active": True}),
        )
    ],
    "ml_anomalies": [
        {
            "config_id": 1,
            "entity_type": "campaign",
            "entity_id": "11",
            "anomaly_type": "SPIKE",
            "metric_name": "cpl",
            "observed_value": 30.0,
            "expected_value": 20.0,
            "deviation_score": 3.1,
            "severity": "HIGH",
            "is_acknowledged": True,
            "acknowledged_by": 3,
            "anomaly_date": MORNING + dt.timedelta(hours=hour),
            "recommendation_id": 1,
        }
        for hour in (0, 3)
    ],
    "ml_features": [
        {
            "config_id": 1,
            "campaign_id": "11",
            "feature_date": dt.date(2025, 11, 2),
            "features": {
                "ctr_7d": 1.2,
                "conversion_rate_7d": 7,
                "cpl_trend": -20.0,
                "cpl_7d": 12.5,
                "leads_7d": 4.0,
                "is_active": True,
                "hour_of_day": [1, 2],
                "share_of_budget": 50,
            },
        },
        {
            "config_id": 1,
            "campaign_id": "12",
            "feature_date": dt.date(2025, 11, 2),
            "insufficient_data": True,
        },
    ],
    "ml_forecasts": [
        {
            "config_id": 1,
            "entity_type": "campaign",
            "entity_id": "11",
            "target_metric": "leads",
            "horizon_days": 2,
            "method": "prophet",
            "window_days": 90,
            "forecast_date": dt.date(2025, 11, 2),
            "predictions": [
                {"date": "2025-11-03", "predicted_value": 3, "confidence_lower": 1, "confidence_upper": 5.5},
                {
                    "date": "2025-11-04",
                    "predicted_value": 4.5,
                    "confidence_lower": 2,
                    "confidence_upper": None,
                },
            ],
        }
    ],
}


@pytest.fixture
def empty(empty_database_url: str) -> Any:
    engine = create_engine(empty_database_url)
    yield engine
    engine.dispose()


def tables(connection: sa.Connection, prefix: tuple[str, ...] = ("ml_", "ads_")) -> list[str]:
    names = sa.inspect(connection).get_table_names()
    return sorted(name for name in names if name.startswith(prefix) and not name.startswith("ml_archive"))


def contents(engine: sa.Engine) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table that is in use, as the driver gives them."""
    with engine.connect() as connection:
        return {
            name: [
                dict(row)
                for row in connection.execute(sa.text(f'SELECT * FROM "{name}" ORDER BY 1, 2, 3')).mappings()
            ]
            for name in tables(connection)
        }


def structure(engine: sa.Engine) -> dict[str, Any]:
    """Columns, keys and indexes of every table that is in use."""
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        return {
            name: (
                [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)],
                sorted((str(i["name"]), tuple(i["column_names"])) for i in inspector.get_indexes(name)),
                sorted(tuple(u["column_names"]) for u in inspector.get_unique_constraints(name)),
                sorted(
                    (f["referred_table"], tuple(f["constrained_columns"]))
                    for f in inspector.get_foreign_keys(name)
                ),
            )
            for name in tables(connection)
        }


def insert_legacy(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for name, rows in LEGACY_ROWS.items():
            table = reflect(connection, name)
            for row in rows:
                naive = {
                    k: v.replace(tzinfo=None) if isinstance(v, dt.datetime) else v for k, v in row.items()
                }
                connection.execute(sa.insert(table).values(**naive))


def rows_of(engine: sa.Engine, name: str) -> pl.DataFrame:
    with engine.connect() as connection:
        table = reflect(connection, name)
        return fetch(connection, list(table.c), schema_of(table))


def test_models_and_migrations_agree(engine: sa.Engine) -> None:
    def in_models(name: str | None, kind: str, _: object) -> bool:
        return not (kind == "table" and (name or "").startswith("ml_archive_"))

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "include_name": in_models, "target_metadata": Base.metadata},
        )
        assert compare_metadata(context, Base.metadata) == []


def test_a_legacy_database_that_was_never_under_migrations_is_upgraded_with_its_rows(
    empty: sa.Engine,
) -> None:
    upgrade(empty, "0001")
    insert_legacy(empty)
    with empty.begin() as connection:
        connection.execute(sa.text("DROP TABLE alembic_version"))
    upgrade(empty)
    assert schema_revision(empty) == head_revision()
    assert rows_of(empty, "ml_recommendations").height == len(LEGACY_ROWS["ml_recommendations"])


def test_legacy_rows_mean_the_same_after_the_upgrade(empty: sa.Engine) -> None:
    upgrade(empty, "0001")
    insert_legacy(empty)
    upgrade(empty)

    advice = rows_of(empty, "ml_recommendations")
    assert dict(advice.select("recommendation_type", "status").rows()) == {
        "PAUSE": "active",
        "OPTIMIZE_SCHEDULE": "expired",
        "SCALE_UP": "applied",
        "REACTIVATE": "dismissed",
    }
    assert set(advice["applied_by"]) == {"7", None}
    assert advice["recommendation_date"].unique().to_list() == [dt.date(2025, 11, 3)]

    feature = rows_of(empty, "ml_features").filter(pl.col("entity_id") == "11").row(0, named=True)
    assert feature["entity_type"] == "campaign"
    assert (feature["ctr_7d"], feature["conversion_rate_7d"], feature["cpl_trend"]) == (0.012, 0.07, -0.2)
    assert (feature["cpl_7d"], feature["leads_7d"], feature["is_active"]) == (12.5, 4, True)
    assert json.loads(feature["extra"]) == {"hour_of_day": [1, 2], "share_of_budget": 0.5}

    points = rows_of(empty, "ml_forecast_points").sort("target_date")
    assert points.select("target_date", "predicted_value", "lower_80", "upper_80").rows() == [
        (dt.date(2025, 11, 3), 3.0, 1.0, 5.5),
        (dt.date(2025, 11, 4), 4.5, 2.0, None),
    ]
    # Two on one day: the later is shown, the earlier is kept.
    classified = rows_of(empty, "ml_classifications").filter(pl.col("entity_id") == "11")
    assert classified["tier"].to_list() == ["MODERATE"]
    assert rows_of(empty, "ml_archive_legacy_classifications").height == 3
    assert rows_of(empty, "ml_archive_legacy_predictions").height == 1


def test_legacy_rows_and_tables_return_exactly_after_up_and_down(empty: sa.Engine) -> None:
    upgrade(empty, "0001")
    insert_legacy(empty)
    rows, shape = contents(empty), structure(empty)
    for _ in range(2):
        upgrade(empty)
        downgrade(empty, "0001")
        assert contents(empty) == rows
        assert structure(empty) == shape
        upgrade(empty, "0002")
        downgrade(empty, "0001")
        assert contents(empty) == rows


def fill_head(engine: sa.Engine) -> None:
    """Rows that the schema before can hold in part, or not at all."""
    day = dt.date(2026, 2, 2)
    key = {"config_id": 1, "entity_id": "22", "parent_id": "11"}
    ids = iter(f"00000000-0000-5000-8000-{n:012d}" for n in range(1, 100))
    rows: dict[str, list[dict[str, Any]]] = {
        "ads_accounts": [{"config_id": 1, "account_id": "9"}],
        "ads_adsets": [{"config_id": 1, "adset_id": "22", "campaign_id": "11"}],
        "ml_classifications": [
            {
                **key,
                "entity_type": level,
                "classification_date": day,
                "tier": tier,
                "confidence_score": 0.9,
                "probabilities": '{"LOW": 1}',
                "classified_at": MORNING,
            }
            for level, tier in (("campaign", "LOW"), ("adset", "LOW"), ("ad", "INSUFFICIENT_DATA"))
        ],
        "ml_features": [
            {
                **key,
                "entity_type": level,
                "feature_date": day,
                "ctr_7d": 0.07,
                "cpl_shrunk": 3.5,
                "extra": '{"x_trend": 0.1}',
                "insufficient_data": False,
            }
            for level in ("campaign", "adset")
        ],
        "ml_recommendations": [
            {
                **key,
                "entity_type": "adset",
                "recommendation_date": day,
                "recommendation_type": kind,
                "status": status,
                "blocked_by": guard,
                "priority": 9,
                "title": "t",
                "confidence_score": 0.9,
                "applied_by": "joe",
            }
            for kind, status, guard in (
                ("PAUSE", "active", None),
                ("CREATIVE_TEST", "superseded", None),
                ("SCALE_UP", "active", "learning"),
            )
        ],
        "ml_anomalies": [
            {
                **key,
                "entity_type": "adset",
                "anomaly_date": day,
                "metric_name": "cpm",
                "anomaly_type": kind,
                "severity": "HIGH",
                "is_acknowledged": True,
                "is_superseded": kind == "CPM_DROP",
            }
            for kind in ("CPM_SPIKE", "CPM_DROP")
        ],
        "ml_incidents": [
            {
                **key,
                "entity_type": "adset",
                "kind": "CPM_SPIKE",
                "onset_date": day,
                "incident_id": f"i{number}",
                "evaluated_date": evaluated,
                "feedback": "EXPECTED",
                "entity_id": number,
            }
            for number, evaluated in (("22", day), ("23", None))
        ],
        "ml_incident_days": [
            {
                **key,
                "entity_type": "adset",
                "kind": "CPM_SPIKE",
                "onset_date": day,
                "evaluated_date": day,
                "incident_id": "i22",
                "money": 12.5,
            }
        ],
        "ml_forecasts": [
            {
                "id": "00000000-0000-5000-8000-00000000ffff",
                **key,
                "entity_type": "adset",
                "target_metric": "leads",
                "horizon_days": 1,
                "forecast_date": day,
                "method": "ets",
                "insufficient_data": False,
                "total_value": 1.5,
                "total_upper_80": 2.0,
            }
        ],
        "ml_forecast_points": [
            {
                "forecast_id": "00000000-0000-5000-8000-00000000ffff",
                "target_date": day,
                "predicted_value": 1.5,
                "lower_80": 1.0,
                "upper_80": 2.0,
                "lower_95": 0.5,
                "upper_95": 3.0,
                "inside_lower_80": 0.25,
            }
        ],
    }

    def root(row: dict[str, Any]) -> dict[str, Any]:
        return {"parent_id": None} if row.get("entity_type") == "campaign" else {}

    with engine.begin() as connection:
        for name, given in rows.items():
            table = Base.metadata.tables[name]
            new = [{"id": next(ids), **row, **root(row)} for row in given] if "id" in table.c else given
            schema = {k: v for k, v in schema_of(table).items() if k in new[0]}
            insert_frame(connection, table, pl.DataFrame(new, schema=schema))


def test_head_rows_return_exactly_after_down_and_up(engine: sa.Engine) -> None:
    fill_head(engine)
    rows, shape = contents(engine), structure(engine)
    for revision in ("0002", "0001", "base"):
        downgrade(engine, revision)
        upgrade(engine)
        assert structure(engine) == shape
        if revision != "base":
            assert contents(engine) == rows


def test_head_rows_that_the_schema_before_can_hold_are_in_it(engine: sa.Engine) -> None:
    fill_head(engine)
    downgrade(engine, "0001")
    feature = rows_of(engine, "ml_features").row(0, named=True)
    assert (feature["campaign_id"], json.loads(feature["features"])) == (
        "22",
        {"ctr_7d": 7.0, "cpl_shrunk": 3.5, "x_trend": 10.0},
    )
    assert rows_of(engine, "ml_campaign_classifications")["tier"].to_list() == ["LOW"]
    assert rows_of(engine, "ml_recommendations").is_empty()
    forecast = rows_of(engine, "ml_forecasts").row(0, named=True)
    assert json.loads(forecast["predictions"]) == [
        {"date": "2026-02-02", "predicted_value": 1.5, "confidence_lower": 1.0, "confidence_upper": 2.0}
    ]


def test_what_changed_on_either_side_is_carried_over(empty: sa.Engine) -> None:
    upgrade(empty, "0001")
    insert_legacy(empty)
    upgrade(empty)
    with empty.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE ml_recommendations SET status = 'dismissed', dismissed_by = '5' "
                "WHERE recommendation_type = 'PAUSE'"
            )
        )
        connection.execute(sa.text("UPDATE ml_features SET ctr_7d = 0.5 WHERE entity_id = '11'"))
        connection.execute(sa.text("DELETE FROM ml_classifications WHERE entity_id = '12'"))
    downgrade(empty, "0001")
    advice = {
        row["recommendation_type"]: row for row in rows_of(empty, "ml_recommendations").rows(named=True)
    }
    assert (advice["PAUSE_CAMPAIGN"]["dismissed"], advice["PAUSE_CAMPAIGN"]["is_active"]) == (True, False)
    assert advice["PAUSE_CAMPAIGN"]["dismissed_by"] == 5
    assert (advice["REACTIVATE"]["dismissed"], advice["REACTIVATE"]["was_applied"]) == (True, True)
    assert (
        json.loads(rows_of(empty, "ml_features").filter(pl.col("campaign_id") == "11")["features"][0])[
            "ctr_7d"
        ]
        == 50.0
    )
    assert "12" not in rows_of(empty, "ml_campaign_classifications")["campaign_id"]

    with empty.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE ml_recommendations SET was_applied = true, applied_by = 4 "
                "WHERE recommendation_type = 'OPTIMIZE_SCHEDULE'"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO ml_campaign_classifications (config_id, campaign_id, tier, confidence_score) "
                "VALUES (1, '99', 'LOW', 0.5)"
            )
        )
        connection.execute(sa.text("DELETE FROM ml_recommendations WHERE recommendation_type = 'SCALE_UP'"))
    upgrade(empty)
    found = {row["recommendation_type"]: row for row in rows_of(empty, "ml_recommendations").rows(named=True)}
    assert set(found) == {"PAUSE", "OPTIMIZE_SCHEDULE", "REACTIVATE"}
    assert (found["OPTIMIZE_SCHEDULE"]["status"], found["OPTIMIZE_SCHEDULE"]["applied_by"]) == (
        "applied",
        "4",
    )
    assert found["PAUSE"]["status"] == "dismissed"
    assert rows_of(empty, "ml_classifications")["entity_id"].sort().to_list() == ["11", "99"]


def test_alembic_finds_the_scripts_through_pyproject() -> None:
    assert alembic_config().get_main_option("script_location")
    assert head_revision() == "0007"
