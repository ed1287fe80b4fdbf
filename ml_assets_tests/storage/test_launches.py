"""One launch for all who ask for the same at the same time; an idempotency key names one request."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from ml_assets.storage.engine import create_engine
from ml_assets.storage.launches import (
    CLAIM_HOLDS,
    KeyReusedError,
    Launch,
    Wanted,
    claim,
    read_accounts_of_run,
    read_launch,
    store_launched,
    withdraw,
)

NOW = dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC)
WANTED = Wanted("bot", 1, {"assets": ["anomalies"]}, "request-1", "print-1")


def claimed(engine: sa.Engine, wanted: Wanted, *, goes_on: bool = True, now: dt.datetime = NOW) -> Launch:
    with engine.begin() as connection:
        return claim(connection, wanted, lambda _: goes_on, now)


def launched(engine: sa.Engine, launch: Launch, run_id: str) -> None:
    with engine.begin() as connection:
        store_launched(connection, launch.id, run_id, is_backfill=False, by="bot")


def test_of_many_who_ask_at_once_one_launches(database_url: str) -> None:
    def ask(number: int) -> Launch:
        engine = create_engine(database_url)
        try:
            return claimed(engine, replace(WANTED, caller=f"caller-{number}"))
        finally:
            engine.dispose()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert sum(launch.is_mine for launch in found) == 1
    assert len({launch.id for launch in found}) == 1


def test_the_same_joins_a_run_that_goes_on_and_begins_anew_after_it(engine: sa.Engine) -> None:
    first = claimed(engine, WANTED)
    launched(engine, first, "run-1")
    joined = claimed(engine, replace(WANTED, caller="other"))
    assert (joined.run_id, joined.is_mine) == ("run-1", False)
    assert claimed(engine, replace(WANTED, fingerprint="print-2")).is_mine
    assert claimed(engine, WANTED, goes_on=False).is_mine
    with engine.connect() as connection:
        assert read_accounts_of_run(connection, "run-1") == {1}
        assert read_accounts_of_run(connection, "run-2") == set()
        logged = connection.execute(sa.text("SELECT actor, action, subject, config_id FROM ml_audit_log"))
        assert [tuple(row) for row in logged] == [("bot", "run.launch", "run-1", 1)]


def test_a_key_is_the_same_run_for_ever_and_no_other_request(engine: sa.Engine) -> None:
    keyed = replace(WANTED, idempotency_key="k")
    first = claimed(engine, keyed)
    launched(engine, first, "run-1")
    later = NOW + dt.timedelta(days=30)
    assert claimed(engine, keyed, goes_on=False, now=later).run_id == "run-1"
    with pytest.raises(KeyReusedError, match="another request"):
        claimed(engine, replace(keyed, request_hash="request-2"))
    assert claimed(engine, replace(keyed, caller="other", fingerprint="print-2")).is_mine


def test_a_claim_whose_owner_went_away_does_not_stand_in_the_way_for_ever(engine: sa.Engine) -> None:
    keyed = replace(WANTED, idempotency_key="k")
    first = claimed(engine, keyed)
    assert not claimed(engine, keyed, now=NOW + CLAIM_HOLDS / 2).is_mine
    second = claimed(engine, keyed, now=NOW + CLAIM_HOLDS * 2)
    assert second.is_mine
    with engine.connect() as connection:
        assert read_launch(connection, first.id) is None


def test_what_could_not_be_launched_can_be_asked_for_again(engine: sa.Engine) -> None:
    first = claimed(engine, WANTED)
    with engine.begin() as connection:
        withdraw(connection, first.id)
    second = claimed(engine, WANTED)
    assert second.is_mine
    launched(engine, second, "run-1")
    with engine.begin() as connection:
        withdraw(connection, second.id)
        assert read_launch(connection, second.id) is not None
