import datetime as dt
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from ml_assets.cli.past import Past, read_past
from ml_assets.defs.inputs import conform_days
from ml_assets.entities import LEVELS
from ml_assets.recommendations.decide import decide
from ml_assets.recommendations.frames import SUSPENSIONS, USER_ACTIONS
from ml_assets.recommendations.inputs import LOOKBACK_DAYS
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource
from ml_assets.storage.accounts import add_account
from ml_assets.storage.development import read_lead_development
from ml_assets.storage.engine import create_engine
from ml_assets.storage.reads import read_entities, read_entity_versions
from ml_assets.storage.writes import append_insights, store_delivery
from ml_assets_tests.cli.conftest import Cli

END = dt.date(2026, 6, 30)
CONFIG = {
    "kind": "synthetic",
    "seed": 11,
    "days": 70,
    "campaigns": 3,
    "adsets": 8,
    "ads": 20,
    "end": "2026-06-30",
}
RANGE = ("--from", "2026-06-26", "--to", "2026-06-30")


@pytest.fixture(scope="module")
def source() -> SyntheticSource:
    return SyntheticSource(SyntheticConfig.from_mapping(CONFIG))


@pytest.fixture(scope="module")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, source: SyntheticSource) -> Path:
    """A database with the account, read every day."""
    path = Path(shutil.copy(sqlite_template, tmp_path_factory.mktemp("replay") / "filled.db"))
    engine = create_engine(f"sqlite:///{path}")
    figures = source.insights(LEVELS, source.config.first_day, END, source.last_sync).insights
    with engine.begin() as connection:
        config_id = add_account(connection, source.account(), CONFIG)
        delivery = replace(source.entities(source.last_sync), insights=figures)
        store_delivery(connection, config_id, delivery, source.last_sync)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture
def account(filled: Path, tmp_path: Path) -> str:
    """The URL of a copy of that database."""
    return f"sqlite:///{shutil.copy(filled, tmp_path / 'account.db')}"


def past_of(url: str, first: dt.date, last: dt.date) -> Past:
    engine = create_engine(url)
    with engine.connect() as connection:
        past = read_past(connection, first, last, 1)
    engine.dispose()
    return past


def decided(past: Past, dates: list[dt.date], **options: Any) -> pl.DataFrame:
    rows = [
        past.own_rows(decide(inputs, level, known), "recommendation_date")
        for _, known, inputs in past.batches(dates, **options)
        for level in LEVELS
    ]
    return pl.concat(rows).sort("entity_type", "entity_id", "recommendation_date", "recommendation_type")


def days_until(last: dt.date, count: int) -> list[dt.date]:
    return [last - dt.timedelta(days=back) for back in range(count - 1, -1, -1)]


def test_dates_decided_together_are_decided_as_each_alone(account: str) -> None:
    dates = days_until(END, 3)
    past = past_of(account, dates[0], END)
    together = decided(past, dates)
    alone = pl.concat(decide(past.inputs(day), level, [day]) for day in dates for level in LEVELS)
    assert together.height
    assert_frame_equal(together, alone, check_row_order=False)


def test_the_replay_of_a_date_does_not_know_what_came_later(account: str, source: SyntheticSource) -> None:
    date = END - dt.timedelta(days=4)
    known = decided(past_of(account, date, date), [date])
    assert known.height
    engine = create_engine(account)
    later = source.insights(LEVELS, source.config.first_day, END, source.last_sync).insights
    restated = later.with_columns(
        pl.col("leads") + 50,
        pl.col("spend") * 2,
        config_id=pl.lit(1, pl.Int64),
        known_at=pl.lit(dt.datetime(2026, 6, 28, 9, tzinfo=dt.UTC)).cast(pl.Datetime("us", "UTC")),
    )
    with engine.begin() as connection:
        append_insights(connection, restated)
        edit = "INSERT INTO ads_entity_versions (config_id, entity_type, entity_id, known_at, fields)"
        connection.execute(
            sa.text(
                f"{edit} SELECT 1, 'ad', ad_id, '2026-06-28 09:00:00', "
                """'{"status": "PAUSED", "effective_status": "PAUSED"}' FROM ads_ads"""
            )
        )
        connection.execute(sa.text("UPDATE ads_ads SET status = 'PAUSED', effective_status = 'PAUSED'"))
    engine.dispose()
    past = past_of(account, date, END)
    assert_frame_equal(decided(past, [date]), known)
    # With the figures as they stand now the same date reads otherwise.
    assert not decided(past, [date], current_figures=True).equals(known)


def test_what_people_did_later_is_not_known(account: str) -> None:
    past = past_of(account, END, END)
    moments = [dt.datetime(2026, 6, 30, 12, tzinfo=dt.UTC), dt.datetime(2026, 7, 2, 12, tzinfo=dt.UTC)]
    actions = pl.DataFrame({"config_id": [1, 1], "at": moments}).with_columns(
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in USER_ACTIONS.items()
        if name not in {"config_id", "at"}
    )
    held = pl.DataFrame({"config_id": [1], "entity_type": ["ad"], "date": [END]}).with_columns(
        guard=pl.lit("tracking"), reason=pl.lit(None, dtype=pl.String)
    )
    acted = replace(
        past, actions=actions.select(USER_ACTIONS.keys()), suspensions=held.select(SUSPENSIONS.keys())
    )
    assert acted.inputs(END).actions["at"].to_list() == moments[:1]
    assert acted.inputs(END).suspensions.height == 1
    assert acted.inputs(END - dt.timedelta(days=1)).suspensions.is_empty()


def test_the_last_date_is_decided_on_what_the_assets_read(account: str) -> None:
    figures = past_of(account, END, END).inputs(END).figures
    start = END - dt.timedelta(days=LOOKBACK_DAYS)
    engine = create_engine(account)
    with engine.connect() as connection:
        entities = read_entities(connection)
        assert_frame_equal(figures.entities, entities, check_row_order=False)
        assert_frame_equal(figures.versions, read_entity_versions(connection), check_row_order=False)
        metrics = conform_days(connection, start, END, [1], entities).frame
        assert_frame_equal(figures.metrics, metrics, check_row_order=False)
        development = read_lead_development(connection, start, END)
        assert_frame_equal(figures.development, development, check_row_order=False)
    engine.dispose()


@pytest.fixture
def write_policy(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "try.json", **thresholds: float) -> Path:
        path = tmp_path / name
        path.write_text(json.dumps({"thresholds": thresholds}))
        return path

    return write


def test_two_policies_are_compared_and_nothing_is_written(
    account: str, on_database: Callable[[str], Cli], write_policy: Callable[..., Path]
) -> None:
    cli = on_database(account)
    loose = write_policy(pause=0.7, budget_decrease=0.7, scale_up=0.7, budget_increase=0.65)
    engine = create_engine(account)
    tables = ("ml_recommendations", "ml_features", "ml_policies", "ml_audit_log", "ads_rejected_rows")

    def counts() -> list[int]:
        with engine.connect() as connection:
            return [
                connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables
            ]

    before = counts()
    shown = cli("replay", *RANGE, "--policy", loose)
    assert shown.exit_code == 0, shown.err
    assert "A: in force" in shown.out
    assert "B: try" in shown.out
    assert "regret: lost + missed" in shown.out
    assert "Against the truth" in shown.out
    assert "5 of 5 dates decided" in shown.err
    assert max(map(len, shown.out.splitlines())) <= 100
    assert counts() == before
    engine.dispose()

    told = json.loads(cli("replay", *RANGE, "--policy", loose, "--json").out)["accounts"]
    assert [account["config_id"] for account in told] == [1]
    first, second = told[0]["policies"]
    assert second["total"]["recommendations"] >= first["total"]["recommendations"] > 0
    assert {row["entity_type"] for row in first["regret"]} == {"campaign", "adset", "ad", None}
    listed = told[0]["differences"]
    assert sum(row["dates_a"] + row["dates_both"] for row in listed) <= first["total"]["recommendations"]
    assert listed
    assert all(row["name"] for row in listed)
    assert told[0]["dates"][-1] == "2026-06-30"


def test_one_policy_is_reported_on_alone_and_equal_ones_do_not_differ(
    account: str, on_database: Callable[[str], Cli], write_policy: Callable[..., Path]
) -> None:
    cli = on_database(account)
    alone = cli("replay", *RANGE, "--level", "ad", "--account", "1")
    assert alone.exit_code == 0, alone.err
    assert "in force issued" in alone.out
    assert "differ" not in alone.out
    equal = cli("replay", *RANGE, "--policy", write_policy(pause=0.95), "--level", "campaign")
    assert "issue the same recommendations on all 5 dates" in equal.out


@pytest.mark.parametrize(
    ("arguments", "exit_code", "complaint"),
    [
        (("--from", "2026-06-30", "--to", "2026-06-01"), 2, "later than --to"),
        (("--from", "2026-06-01", "--to", "2099-01-01"), 5, "the last day that can be replayed is"),
        (("--from", "2025-01-01", "--to", "2025-01-05"), 5, "has no figures of 2025-01-01 to 2025-01-05"),
        ((*RANGE, "--account", "nobody"), 2, "There is no account 'nobody'"),
        ((*RANGE, "--policy", "missing.json"), 2, "missing.json"),
        ((*RANGE, "--policy", "x.json", "--policy", "./x.json"), 2, "the same file twice"),
        ((*RANGE, *(("--policy", "x.json") * 3)), 2, "at most twice"),
    ],
)
def test_a_replay_that_cannot_be_done_says_why(
    account: str,
    on_database: Callable[[str], Cli],
    arguments: tuple[str, ...],
    exit_code: int,
    complaint: str,
) -> None:
    refused = on_database(account)("replay", *arguments)
    assert (refused.exit_code, refused.out) == (exit_code, "")
    assert complaint in refused.err


def test_an_account_that_was_loaded_at_once_is_replayed_on_its_current_figures(
    sqlite_cli: Cli, write_export: Callable[..., Path]
) -> None:
    assert sqlite_cli("ingest", "export", write_export()).exit_code == 0
    days = ("--from", "2026-03-29", "--to", "2026-03-31")
    refused = sqlite_cli("replay", *days)
    assert refused.exit_code == 5
    assert "--current-figures" in refused.err
    shown = sqlite_cli("replay", *days, "--current-figures")
    assert shown.exit_code == 0, shown.err
    assert "as the figures stand now" in shown.out
    assert "by the truth" not in shown.out


def test_dates_without_figures_are_left_out_and_named(
    account: str, on_database: Callable[[str], Cli]
) -> None:
    engine = create_engine(account)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM ads_insights WHERE date = '2026-06-27'"))
    engine.dispose()
    shown = on_database(account)("replay", *RANGE, "--level", "campaign")
    assert "4 dates decided again" in shown.out
    assert "1 date is left out: no figures of it were known (2026-06-27)" in " ".join(shown.out.split())
