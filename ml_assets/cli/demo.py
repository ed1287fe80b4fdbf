"""`ml-assets demo`: from nothing to a report, on a synthetic account or on the user's own export."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_assets.cli.console import note, say
from ml_assets.cli.database import open_database
from ml_assets.entities import LEVELS
from ml_assets.errors import NotReadyError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from ml_assets.sources.synthetic import SyntheticConfig

SEED = 7
"""The demo account is the same everywhere, but for its last day."""

HISTORY_DAYS = 120

INCIDENTS = 10
"""Injected ones, in the last 60 days; the last of them, dear impressions of a campaign, still runs."""


def demo(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FILE", help="Your own Ads Manager export (CSV or XLSX)."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many of the last days to judge.")] = 30,
    top: Annotated[int, typer.Option(min=1, max=1000, help="Rows per list of the report.")] = 5,
) -> None:
    """Set up the database, load an account, judge its last days through Dagster and print the report.

    Without --data the account is synthetic: 18 campaigns, 91 adsets, 278 ads, 120 days until yesterday.
    Safe to repeat: what is there is kept, and the same days give the same rows.

    \b
    Examples:
      ml-assets demo
      ml-assets demo --data ads-manager.csv
    """
    from ml_assets.cli.report import print_reports
    from ml_assets.cli.run import run_days
    from ml_assets.storage.schema import upgrade

    with open_database(at_head=False) as engine:
        note(f"Database: {engine.url.render_as_string(hide_password=True)}")
        upgrade(engine)
        config_id = _load_synthetic(engine) if data is None else _load_export(data)
        first, last = _days_to_judge(engine, config_id, days)
    run_days(first, last, levels=LEVELS)
    say()
    print_reports(account=str(config_id), top=top)
    note(
        "\nNext: `ml-assets report --level ad --top 20` for more, `make dev` (or `ml-assets dev`) for the "
        "Dagster UI on the same data, `ml-assets --help` for the rest."
    )


def _load_export(path: Path) -> int:
    from ml_assets.cli.ingest import ingest_export

    return ingest_export(path)


def _load_synthetic(engine: "sa.Engine") -> int:
    """The demo account with its history; one that is there already is left as it is."""
    from dataclasses import replace

    from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource
    from ml_assets.storage.accounts import add_account, find_account
    from ml_assets.storage.writes import store_delivery

    config = SyntheticConfig(
        seed=SEED, days=HISTORY_DAYS, incidents=INCIDENTS, name="Demo account (synthetic)"
    )
    source = SyntheticSource(replace(config, end=_last_synced_day(config)))
    with engine.begin() as connection:
        config_id = find_account(connection, source.account().account_id)
        if config_id is not None:
            note(f"{config.name} is there already (account {config_id}).")
            return config_id
        note(
            f"Making {config.name}: {config.campaigns} campaigns, {config.adsets} adsets, {config.ads} ads, "
            f"{source.config.first_day} to {source.config.last_day} ..."
        )
        stored = {
            "kind": "synthetic", "seed": SEED, "days": HISTORY_DAYS, "incidents": INCIDENTS,
            "name": config.name, "end": source.config.last_day.isoformat(),
        }  # fmt: skip
        config_id = add_account(connection, source.account(), stored)
        known_at = source.last_sync
        figures = source.insights(LEVELS, source.config.first_day, source.config.last_day, known_at)
        delivery = replace(source.entities(known_at), insights=figures.insights)
        counts = store_delivery(connection, config_id, delivery, known_at)
    note(f"{counts.entities.inserted:,} entities and {counts.insights.inserted:,} rows of insights stored.")
    return config_id


def _last_synced_day(config: "SyntheticConfig") -> dt.date:
    """Yesterday, or the day before it while the account's morning reading has not been."""
    from zoneinfo import ZoneInfo

    read_until = dt.datetime.now(ZoneInfo(config.timezone)) - dt.timedelta(hours=config.sync_hour)
    return read_until.date() - dt.timedelta(days=1)


def _days_to_judge(engine: "sa.Engine", config_id: int, days: int) -> tuple[dt.date, dt.date]:
    """The last `days` days with figures that are over where the account is."""
    from zoneinfo import ZoneInfo

    from ml_assets.settings import settings
    from ml_assets.storage.overview import read_reach
    from ml_assets.storage.reads import read_accounts
    from ml_assets.storage.tables import AdsInsight

    with engine.connect() as connection:
        reach = read_reach(connection, AdsInsight, [config_id])
        zone = read_accounts(connection, [config_id], active_only=False).item(0, "timezone")
    first, newest = reach.get_column("first_date").min(), reach.get_column("last_date").max()
    if not isinstance(first, dt.date) or not isinstance(newest, dt.date):
        raise NotReadyError(f"Account {config_id} has no figures; give an export with --data FILE.")
    yesterday = dt.datetime.now(ZoneInfo(zone or settings().timezone)).date() - dt.timedelta(days=1)
    last = min(newest, yesterday)
    if last < first:
        raise NotReadyError(
            f"The only day with figures, {first}, is not over yet; days are judged from the next morning on."
        )
    return max(first, last - dt.timedelta(days=days - 1)), last
