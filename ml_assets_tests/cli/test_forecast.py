import csv
import datetime as dt
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from ml_assets.defs.inputs import conform_days
from ml_assets.entities import LEVELS
from ml_assets.forecasts.forecast import forecast_tree
from ml_assets.forecasts.frames import PACING
from ml_assets.forecasts.inputs import LOOKBACK_DAYS
from ml_assets.forecasts.pacing import pace
from ml_assets.report.current import read_forecast_inputs
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource
from ml_assets.storage.accounts import add_account
from ml_assets.storage.engine import create_engine
from ml_assets.storage.reads import read_accounts, read_entities
from ml_assets.storage.writes import store_delivery
from ml_assets_tests.cli.conftest import Cli

END = dt.date(2026, 6, 12)
CONFIG = {
    "kind": "synthetic",
    "seed": 11,
    "days": 70,
    "campaigns": 3,
    "adsets": 8,
    "ads": 20,
    "end": END.isoformat(),
    "monthly_budget": 12_000.0,
}


@pytest.fixture(scope="module")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a synthetic account; nothing is materialized."""
    path = Path(shutil.copy(sqlite_template, tmp_path_factory.mktemp("forecast") / "filled.db"))
    source = SyntheticSource(SyntheticConfig.from_mapping(CONFIG))
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
def account_url(filled: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(filled, tmp_path / 'account.db')}"


@pytest.fixture
def shop(on_database: Callable[[str], Cli], account_url: str) -> Cli:
    """The command line on that account."""
    return on_database(account_url)


@pytest.fixture
def names(account_url: str) -> pl.DataFrame:
    """Its entities."""
    engine = create_engine(account_url)
    with engine.connect() as connection:
        found = read_entities(connection)
    engine.dispose()
    return found


def campaign_of(names: pl.DataFrame) -> tuple[str, str]:
    """Id and name of the first campaign that seeks leads."""
    row = names.filter(pl.col("entity_type") == "campaign", pl.col("name").str.starts_with("Leads"))
    return row["entity_id"][0], row["name"][0]


# -------------------------------------------------------------------------------------- forecast


def test_a_week_is_told_day_by_day_and_a_month_week_by_week(shop: Cli, names: pl.DataFrame) -> None:
    entity_id, name = campaign_of(names)
    week = shop("forecast", entity_id, "--days", "7")
    assert week.exit_code == 0, week.err
    assert week.out.startswith(f"Campaign {name} ({entity_id}): 2026-06-13 to 2026-06-19\n")
    assert [line[:10] for line in week.out.splitlines() if line.startswith(("Sat ", "Fri "))] == [
        "Sat Jun 13",
        "Fri Jun 19",
    ]
    assert "7 days, 95 %" in week.out
    assert "tried on" in week.out
    assert "BRL" in week.out
    month = shop("forecast", name)
    assert "Jun 13 - Jun 19" in month.out
    assert "Jul 11 - Jul 12" in month.out
    assert "30 days, 80 %" in month.out
    assert max(map(len, month.out.splitlines())) <= 100


def test_json_has_every_day_both_intervals_and_the_backtest(shop: Cli, names: pl.DataFrame) -> None:
    entity_id, _ = campaign_of(names)
    told = json.loads(shop("forecast", entity_id, "--days", "20", "--json").out)
    assert (told["entity_type"], told["forecast_date"], told["horizon_days"]) == (
        "campaign",
        "2026-06-12",
        20,
    )
    assert list(told["metrics"]) == ["spend", "leads", "cpl"]
    spend = told["metrics"]["spend"]
    assert [day["target_date"] for day in spend["days"]][::19] == ["2026-06-13", "2026-07-02"]
    assert spend["total"]["value"] == pytest.approx(sum(day["predicted_value"] for day in spend["days"]))
    assert spend["total"]["lower_95"] <= spend["total"]["lower_80"] < spend["total"]["upper_80"]
    assert spend["backtest"]["origins"] > 0
    assert told["planned_budget"] is None
    one = json.loads(
        shop(
            "forecast", entity_id, "--days", "3", "--metric", "clicks,cpm", "--methods", "smoothing", "--json"
        ).out
    )
    assert list(one["metrics"]) == ["clicks", "cpm"]
    assert list(one["metrics"]["clicks"]["backtest"]["weights"]) == ["smoothing"]


def test_another_budget_is_told_with_what_is_assumed(shop: Cli, names: pl.DataFrame) -> None:
    entity_id, _ = campaign_of(names)
    asked = ("forecast", entity_id, "--days", "30")
    plan = json.loads(shop(*asked, "--budget", "300", "--json").out)["planned_budget"]
    assert (plan["elasticity"], plan["elasticity_sd"]) == (0.8, 0.15)
    assert plan["totals"]["spend"]["value"] == pytest.approx(300 * 30 * plan["share_spent"])
    shown = " ".join(shop(*asked, "--budget", "90000").out.split())
    assert "With a daily budget of BRL 90,000" in shown
    assert "not learnt from this entity" in shown
    assert "this is extrapolation" in shown
    # One threshold serves recommendations and plans.
    assert shop("policy", "set", "elasticity=0.5").exit_code == 0
    assert json.loads(shop(*asked, "--budget", "300", "--json").out)["planned_budget"]["elasticity"] == 0.5


def test_the_account_is_the_sum_of_its_campaigns(shop: Cli, names: pl.DataFrame) -> None:
    whole = json.loads(shop("forecast", "account", "--days", "5", "--json").out)
    assert whole["entity_type"] == "account"
    assert json.loads(shop("forecast", "act_900000000000011", "--days", "5", "--json").out) == whole
    campaigns = names.filter(pl.col("entity_type") == "campaign")["entity_id"]
    parts = [json.loads(shop("forecast", entity_id, "--days", "5", "--json").out) for entity_id in campaigns]
    total = sum(part["metrics"]["leads"]["total"]["value"] for part in parts)
    assert whole["metrics"]["leads"]["total"]["value"] == pytest.approx(total)


def test_a_past_date_knows_nothing_of_later_days(shop: Cli, account_url: str, names: pl.DataFrame) -> None:
    entity_id, _ = campaign_of(names)
    asked = ("forecast", entity_id, "--days", "4", "--date", "2026-06-05", "--json")
    before = shop(*asked).out
    engine = create_engine(account_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE ads_insights SET spend = spend * 3 WHERE date > '2026-06-05'"))
    engine.dispose()
    assert json.loads(before)["metrics"]["spend"]["days"][0]["target_date"] == "2026-06-06"
    assert shop(*asked).out == before


def test_too_short_a_history_is_said_in_words(shop: Cli, names: pl.DataFrame) -> None:
    entity_id, _ = campaign_of(names)
    first = END - dt.timedelta(days=CONFIG["days"] - 1)  # type: ignore[operator]
    second = (first + dt.timedelta(days=1)).isoformat()
    shown = shop("forecast", entity_id, "--date", second, "--budget", "100")
    assert shown.exit_code == 0, shown.err
    assert f"Insufficient data: 2 days of history by {second}; a forecast needs 3." in shown.out
    told = json.loads(shop("forecast", entity_id, "--date", second, "--json").out)
    assert told["insufficient_data"]
    assert told["metrics"] == {}


@pytest.mark.parametrize(
    ("arguments", "exit_code", "complaint"),
    [
        (("nothing like it",), 2, "There is no campaign, adset or ad"),
        (("account", "--days", "91"), 2, "--days is 1 to 90, not 91"),
        (("account", "--days", "0"), 2, "--days is 1 to 90, not 0"),
        (("account", "--budget", "0"), 2, "--budget is an amount above 0"),
        (("account", "--metric", "reach"), 2, "--metric is one of spend, impressions"),
        (("account", "--methods", "magic"), 2, "--methods is one of smoothing"),
        (("account", "--date", "2026-06-13"), 5, "reach to 2026-06-12"),
        (("account", "--date", "2024-01-01"), 5, "no figures of"),
        (("account", "--account", "nobody"), 2, "There is no account 'nobody'"),
    ],
)
def test_what_cannot_be_forecast_is_refused_with_the_reason(
    shop: Cli, arguments: tuple[str, ...], exit_code: int, complaint: str
) -> None:
    refused = shop("forecast", *arguments)
    assert (refused.exit_code, refused.out) == (exit_code, "")
    assert complaint in refused.err


def test_a_name_that_was_mistyped_is_answered_with_the_nearest(shop: Cli, names: pl.DataFrame) -> None:
    _, name = campaign_of(names)
    middle = name.split(" | ")[1]
    refused = shop("forecast", middle[:-2] + middle[-1] + middle[-2])
    assert refused.exit_code == 2
    assert f"The nearest: {name}" in refused.err


def test_figures_are_read_as_the_assets_read_them(account_url: str) -> None:
    engine = create_engine(account_url)
    with engine.connect() as connection:
        inputs = read_forecast_inputs(connection, read_accounts(connection), END)
        start = END - dt.timedelta(days=LOOKBACK_DAYS)
        stored = conform_days(connection, start, END, [1], read_entities(connection)).frame
    engine.dispose()
    assert_frame_equal(inputs.figures.metrics, stored, check_row_order=False)
    assert inputs.revisions.height


# ---------------------------------------------------------------------------------------- pacing


def test_the_month_is_told_in_sentences_and_campaign_by_campaign(shop: Cli, names: pl.DataFrame) -> None:
    shown = shop("pacing")
    assert shown.exit_code == 0, shown.err
    text = " ".join(shown.out.split())
    assert shown.out.startswith("Synthetic account: June 2026 after day 12 of 30\n")
    assert "a straight line ends at" in text
    assert "when the late ones are in" in text
    assert "above it with a probability of" in text
    assert campaign_of(names)[1].split(" | ")[1] in text
    assert max(map(len, shown.out.splitlines())) <= 100


def test_machines_get_every_column_in_json_and_csv(shop: Cli, account_url: str) -> None:
    told = json.loads(shop("pacing", "--json").out)
    assert list(told[0]) == ["config_id", "entity_type", "entity_id", "name", *list(PACING)[3:], "currency"]
    assert [row["entity_type"] for row in told] == ["account", "campaign", "campaign", "campaign"]
    engine = create_engine(account_url)
    with engine.connect() as connection:
        inputs = read_forecast_inputs(connection, read_accounts(connection), END)
    engine.dispose()
    expected = pace(forecast_tree(inputs, END, 18), inputs).row(0, named=True)
    assert told[0]["spend_landing_upper_80"] == expected["spend_landing_upper_80"]
    rows = list(csv.DictReader(io.StringIO(shop("pacing", "--csv", "--level", "adset").out)))
    assert {row["entity_type"] for row in rows} == {"adset"}
    assert float(rows[0]["spend_landing"]) >= float(rows[1]["spend_landing"])


def test_a_month_that_is_over_is_told_as_it_was(shop: Cli) -> None:
    shown = shop("pacing", "--date", "2026-05-31", "--level", "account")
    assert "The month is over:" in shown.out
    assert "lands at" not in shown.out


@pytest.mark.parametrize(
    ("arguments", "exit_code", "complaint"),
    [
        (("--level", "creative"), 2, "--level is account, campaign, adset, ad"),
        (("--json", "--csv"), 2, "not both"),
        (("--date", "2027-01-01"), 5, "reach to 2026-06-12"),
    ],
)
def test_what_cannot_be_paced_is_refused_with_the_reason(
    shop: Cli, arguments: tuple[str, ...], exit_code: int, complaint: str
) -> None:
    refused = shop("pacing", *arguments)
    assert (refused.exit_code, refused.out) == (exit_code, "")
    assert complaint in refused.err


def test_an_export_is_forecast_and_paced_right_after_it_was_loaded(
    cli: Cli, write_export: Callable[..., Path]
) -> None:
    assert cli("forecast", "Ad 0").exit_code == 5
    assert cli("ingest", "export", write_export()).exit_code == 0
    told = json.loads(cli("forecast", "Ad 0", "--days", "3", "--json").out)
    assert told["forecast_date"] == "2026-03-31"
    assert told["metrics"]["spend"]["total"]["value"] == pytest.approx(3 * 60.5, rel=0.05)
    paced = json.loads(cli("pacing", "--level", "campaign", "--json").out)
    assert paced[0]["spend_landing"] == pytest.approx(4 * 60.5 * 31)
    assert paced[0]["days_left"] == 0
