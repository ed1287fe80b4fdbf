"""The sensors that tell people, on a real instance and database and against a real webhook."""

import datetime as dt
import json
from collections.abc import Iterator

import dagster as dg
import pytest
import sqlalchemy as sa
import time_machine

from ml_assets.defs.jobs import TICK_TAG
from ml_assets.defs.sensors.daily_digest import daily_digest
from ml_assets.defs.sensors.notices import deliver_notices, incident_notices_sensor, stale_sources
from ml_assets.defs.sensors.run_failures import is_tried_again, run_failures
from ml_assets.settings import settings
from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage.accounts import add_account
from ml_assets.storage.keys import table_of
from ml_assets.storage.tables import AdsInsight, MLNotice
from ml_assets_tests.storage.incidents_made import day, seen, store
from ml_assets_tests.webhook import Webhook, serving

NOW = dt.datetime(2026, 2, 3, 9, 0, tzinfo=dt.UTC)
"""In the morning of `day(2)`."""

NOTICES = table_of(MLNotice)


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch, engine: sa.Engine) -> Iterator[Webhook]:
    """The webhook of the settings, which name the test's database as well."""
    url = engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("ML_ASSETS_DATABASE_URL", url)
    with serving() as kept:
        monkeypatch.setenv("ML_ASSETS_WEBHOOK_URL", kept.url)
        settings.cache_clear()
        yield kept


@pytest.fixture
def critical(engine: sa.Engine, webhook: Webhook) -> Webhook:
    """The webhook, and an account with a CRITICAL incident of today."""
    document = json.dumps({"money_today": 900.0, "series": []})
    with engine.begin() as connection:
        add_account(connection, AccountInfo("111", "Clinic", "BRL"))
        store(connection, [2], seen(2, severity="CRITICAL", attribution=document))
    return webhook


def look(sensor: dg.SensorDefinition, moment: dt.datetime, instance: dg.DagsterInstance) -> str:
    """One look of a sensor; what it says."""
    with time_machine.travel(moment, tick=False), dg.build_sensor_context(instance) as context:
        return sensor.evaluate_tick(context).skip_message or ""


def rows(engine: sa.Engine) -> list[sa.RowMapping]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(NOTICES).order_by(NOTICES.c.created_at)).mappings())


def minutes(number: float) -> dt.datetime:
    return NOW + dt.timedelta(minutes=number)


def test_an_incident_is_posted_once_however_often_it_is_looked_at(
    critical: Webhook, instance: dg.DagsterInstance
) -> None:
    for number in range(4):
        look(incident_notices_sensor, minutes(number), instance)
        look(deliver_notices, minutes(number), instance)
    (message,) = critical.received
    assert message["text"].startswith("CRITICAL: Clinic.")
    assert message["blocks"][0]["type"] == "header"


@pytest.mark.parametrize("status", [404, 429, 500])
def test_what_is_not_taken_is_tried_again_until_it_is(
    critical: Webhook, engine: sa.Engine, instance: dg.DagsterInstance, status: int
) -> None:
    critical.status = status
    look(incident_notices_sensor, NOW, instance)
    said = look(deliver_notices, NOW, instance)
    assert f"127.0.0.1 answered {status}" in said
    assert "secret" not in said
    assert look(deliver_notices, minutes(0.5), instance) == "Nothing to send."
    critical.status = 200
    assert look(deliver_notices, minutes(1), instance) == "1 sent."
    assert look(deliver_notices, minutes(60), instance) == "Nothing to send."
    assert len(critical.received) == 2
    (row,) = rows(engine)
    assert (row["tries"], row["last_error"]) == (2, None)
    assert "secret" not in str(dict(row))


def test_a_webhook_that_asks_for_time_gets_it(critical: Webhook, instance: dg.DagsterInstance) -> None:
    critical.status, critical.headers = 429, {"Retry-After": "600"}
    look(incident_notices_sensor, NOW, instance)
    look(deliver_notices, NOW, instance)
    critical.status = 200
    assert look(deliver_notices, minutes(9), instance) == "Nothing to send."
    assert look(deliver_notices, minutes(10), instance) == "1 sent."


def test_a_webhook_that_is_not_there_loses_nothing_and_is_not_named(
    critical: Webhook, engine: sa.Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(incident_notices_sensor, NOW, instance)
    monkeypatch.setenv("ML_ASSETS_WEBHOOK_URL", "http://127.0.0.1:9/secret")
    settings.cache_clear()
    said = look(deliver_notices, NOW, instance)
    assert "127.0.0.1 cannot be reached" in said
    assert "secret" not in said + str([dict(row) for row in rows(engine)])
    assert "secret" not in repr(settings())
    monkeypatch.setenv("ML_ASSETS_WEBHOOK_URL", critical.url)
    settings.cache_clear()
    assert look(deliver_notices, minutes(1), instance) == "1 sent."


def test_without_a_webhook_nothing_is_kept_to_be_sent(
    critical: Webhook,  # noqa: ARG001
    engine: sa.Engine,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ML_ASSETS_WEBHOOK_URL")
    settings.cache_clear()
    for sensor in (incident_notices_sensor, stale_sources, daily_digest, deliver_notices):
        assert "is not set" in look(sensor, NOW, instance)
    assert rows(engine) == []


def test_a_silent_source_is_told_of_once(
    webhook: Webhook, engine: sa.Engine, instance: dg.DagsterInstance
) -> None:
    with engine.begin() as connection:
        config_id = add_account(connection, AccountInfo("111", "Clinic", "BRL"))
        figures = {"config_id": config_id, "entity_type": "ad", "entity_id": "7", "date": day(1)}
        connection.execute(
            sa.insert(table_of(AdsInsight)).values(**figures, window_days=1, known_at=NOW, spend=1.0)
        )
    assert look(stale_sources, NOW + dt.timedelta(hours=29), instance) == "Nothing new to tell."
    for hours in (30, 31, 40):
        look(stale_sources, NOW + dt.timedelta(hours=hours), instance)
        look(deliver_notices, NOW + dt.timedelta(hours=hours), instance)
    assert len(webhook.texts("No new figures of Clinic")) == 1


def test_the_digest_goes_out_once_a_day_also_without_recommendations_that_never_come(
    critical: Webhook, instance: dg.DagsterInstance
) -> None:
    assert "waits for the recommendations" in look(daily_digest, NOW, instance)
    late = dt.datetime(2026, 2, 3, 13, 0, tzinfo=dt.UTC)
    for hours in (0, 1, 2):
        look(daily_digest, late + dt.timedelta(hours=hours), instance)
        look(deliver_notices, late + dt.timedelta(hours=hours), instance)
    assert len(critical.texts("2026-02-02: ")) == 1
    look(daily_digest, late + dt.timedelta(days=1), instance)
    look(deliver_notices, late + dt.timedelta(days=1), instance)
    assert len(critical.texts("2026-02-03: ")) == 1


@dg.op
def fails() -> None:
    raise dg.Failure("2026-02-02: the disk is full; make room.")


@dg.job
def broken() -> None:
    fails()


@dg.op
def works() -> None: ...


@dg.job
def whole() -> None:
    works()


def failed_run(instance: dg.DagsterInstance, tags: dict[str, str]) -> dg.ExecuteInProcessResult:
    return broken.execute_in_process(instance=instance, tags=tags, raise_on_error=False)


def tell(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> None:
    """What the sensor does with a failed run."""
    failure = next(event for event in result.all_events if event.is_failure and not event.is_step_event)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failures",
        dagster_event=failure,
        dagster_instance=instance,
        dagster_run=run,
    )
    with time_machine.travel(NOW, tick=False):
        run_failures(context.for_run_failure())


def test_runs_that_failed_for_one_cause_are_told_of_once(
    webhook: Webhook, engine: sa.Engine, instance: dg.DagsterInstance
) -> None:
    for _ in range(3):
        tell(instance, failed_run(instance, {}))
    look(deliver_notices, NOW, instance)
    assert webhook.texts() == ["broken failed: 2026-02-02: the disk is full; make room."]
    assert [row["kind"] for row in rows(engine)] == ["run_failure"]


def test_a_run_that_is_tried_again_is_not_told_of(webhook: Webhook, instance: dg.DagsterInstance) -> None:
    tags = {TICK_TAG: "ad_classification|2026-02-02"}
    first = failed_run(instance, tags)
    tell(instance, first)
    look(deliver_notices, NOW, instance)
    assert webhook.received == []
    last = failed_run(instance, tags)
    tell(instance, last)
    look(deliver_notices, NOW, instance)
    assert len(webhook.received) == 1
    # A look that comes after the second try does not tell of the first.
    tried = {TICK_TAG: "ad_classification|2026-02-03"}
    earlier = failed_run(instance, tried)
    whole.execute_in_process(instance=instance, tags=tried)
    run = instance.get_run_by_id(earlier.run_id)
    assert run is not None
    assert is_tried_again(instance, run)
    crashed = failed_run(instance, {"dagster/will_retry": "true"})
    run = instance.get_run_by_id(crashed.run_id)
    assert run is not None
    assert is_tried_again(instance, run)
