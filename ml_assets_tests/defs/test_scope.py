"""Which days are over for which account."""

import datetime as dt

import polars as pl

from ml_assets.defs.keys import run_keys
from ml_assets.defs.scope import Restriction, Scope, with_last_finished_date
from ml_assets.frames import ACCOUNTS, fill_missing

NOW = dt.datetime(2026, 2, 2, 11, 30, tzinfo=dt.UTC)


def accounts() -> pl.DataFrame:
    zones = ["Pacific/Kiritimati", "Pacific/Pago_Pago", None]
    return fill_missing(pl.DataFrame({"config_id": [1, 2, 3], "timezone": zones}), ACCOUNTS)


def test_a_day_is_over_when_it_is_over_where_the_account_is() -> None:
    finished = with_last_finished_date(accounts(), NOW)
    assert finished["last_finished_date"].to_list() == [
        dt.date(2026, 2, 2),  # half past one on the third
        dt.date(2026, 2, 1),
        dt.date(2026, 2, 1),  # UTC stands in for an unknown zone
    ]


def test_rows_of_a_day_that_still_runs_for_an_account_are_not_written() -> None:
    day = dt.date(2026, 2, 2)
    scope = Scope(
        keys=run_keys([f"{day}|campaign"]),
        accounts=with_last_finished_date(accounts(), NOW),
        restriction=Restriction(),
    )
    rows = pl.DataFrame({"config_id": [1, 2], "entity_id": ["10", "20"], "feature_date": [day, day]})
    assert scope.rows_of(rows, "feature_date")["entity_id"].to_list() == ["10"]
