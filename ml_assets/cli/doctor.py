"""`ml-assets doctor`: what is set up, what is missing and what to do about it.

What it says of the Dagster instance is in doctor_instance.py.
"""

import datetime as dt
import platform
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from ml_assets.cli.console import say
from ml_assets.cli.database import open_database
from ml_assets.cli.finding import Finding
from ml_assets.entities import LEVELS
from ml_assets.errors import MlAssetsError

if TYPE_CHECKING:
    import sqlalchemy as sa

PACKAGES = ("dagster", "polars", "sqlalchemy", "alembic", "psycopg", "numpy", "scipy")
FIGURES = ("spend", "impressions", "reach", "clicks", "link_clicks", "leads")
STALE_DAYS = 3
REASONS_SHOWN = 5
MOST_CHARACTERS = 300


def doctor() -> None:
    """Say what is set up, what is missing and what to do. Exit code 0: nothing; 1: something to do.

    Passwords are not shown.
    """
    todo = False
    for finding in _findings():
        say(f"{'todo' if finding.todo else 'ok':<5}{finding.topic:<18}{finding.found}")
        if finding.todo:
            say(f"{'':23}-> {finding.todo}")
            todo = True
    say("There is something to do." if todo else "Everything is in place.")
    if todo:
        raise typer.Exit(1)


def _findings() -> Iterator[Finding]:
    yield _software()
    from ml_assets.settings import settings

    current = settings()
    yield Finding(
        "settings",
        f"data in {current.data_dir}, partitions from {current.first_date}, time zone {current.timezone}",
    )
    with open_database(at_head=False) as engine:
        finding = _database(engine)
        yield finding
        if not finding.todo:
            with engine.connect() as connection:
                yield from _accounts(connection)
                yield _notices(connection, is_wanted=bool(current.webhook_url))
    yield from _dagster()


def _software() -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    versions, missing = [], []
    for package in ("ml_assets", *PACKAGES):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    found = f"Python {platform.python_version()} ({sys.prefix}), {', '.join(versions)}"
    if missing:
        return Finding("software", f"{found}; missing: {', '.join(missing)}", "install them: `make setup`")
    return Finding("software", found)


def _database(engine: "sa.Engine") -> Finding:
    from ml_assets.storage.schema import head_revision, schema_revision

    where = engine.url.render_as_string(hide_password=True)
    try:
        revision, head = schema_revision(engine), head_revision()
    except MlAssetsError as error:
        return Finding("database", where, str(error))
    if revision != head:
        return Finding("database", f"{where} at revision {revision or 'none'}", "`ml-assets db upgrade`")
    return Finding("database", f"{where} at revision {revision}, the newest")


def _notices(connection: "sa.Connection", *, is_wanted: bool) -> Finding:
    """Whether people are told, and what did not arrive."""
    import datetime as dt

    from ml_assets.storage.notices import read_undelivered

    if not is_wanted:
        return Finding("notices", "nobody is told of anything: ML_ASSETS_WEBHOOK_URL is not set")
    found = read_undelivered(connection, dt.datetime.now(dt.UTC))
    if not found.waiting and not found.given_up:
        return Finding("notices", "all that was to be told within a week has arrived")
    return Finding(
        "notices",
        f"{found.waiting} wait to be taken, {found.given_up} were given up within a week: {found.last_error}",
        "`ml-assets notify --test` says whether the webhook takes a message",
    )


def _accounts(connection: "sa.Connection") -> Iterator[Finding]:
    from ml_assets.cli.accounts import accounts_frame

    accounts = accounts_frame(connection).to_dicts()
    if not accounts:
        yield Finding("accounts", "none", "`ml-assets ingest export FILE`, or `ml-assets demo`")
    for account in accounts:
        topic = f"account {account['config_id']}"
        words = [account["name"] or account["account_id"], account["currency"] or "currency unknown"]
        words.append(account["timezone"] or "time zone unknown")
        if not account["is_active"]:
            yield Finding(topic, f"{', '.join(words)}: inactive, runs leave it out")
            continue
        fix = f"`ml-assets accounts set {account['config_id']} --timezone Area/City`"
        yield Finding(topic, ", ".join(words), "" if account["timezone"] else fix)
        yield from _account_data(connection, account)


def _account_data(connection: "sa.Connection", account: dict[str, Any]) -> Iterator[Finding]:
    import polars as pl

    from ml_assets.storage.overview import filled_columns, read_reach, read_rejected
    from ml_assets.storage.tables import AdsInsight, MLClassification, MLFeatures

    config_id = account["config_id"]
    insights = read_reach(connection, AdsInsight, [config_id])
    newest = insights.get_column("last_date").max()
    if not isinstance(newest, dt.date):
        yield Finding(
            " insights", "none yet", "`ml-assets ingest export FILE`, or have your loader fill ads_insights"
        )
        return
    age = (dt.datetime.now(dt.UTC).date() - newest).days
    synthetic = "synthetic" in (account["source"] or "")
    yield Finding(
        " insights",
        f"{insights.get_column('first_date').min()} to {newest} ({age} days old), levels: "
        + ", ".join(level.value for level in LEVELS if level.value in set(insights["entity_type"])),
        "load newer days: export again and `ml-assets ingest export FILE`, or check your loader"
        if age > STALE_DAYS and not synthetic
        else "",
    )
    lacking = [
        name
        for name, filled in filled_columns(connection, AdsInsight, FIGURES, config_id).items()
        if not filled
    ]
    if lacking:
        yield Finding(" figures", f"the source has no {', '.join(lacking)}; what needs them stays empty")
    finished = _finished(newest, account)
    for topic, model in ((" features", MLFeatures), (" tiers", MLClassification)):
        reach = dict(read_reach(connection, model, [config_id]).select("entity_type", "last_date").rows())
        found = ", ".join(f"{level.value} {reach.get(level.value, 'none')}" for level in LEVELS)
        behind = [level for level in LEVELS if reach.get(level.value, dt.date.min) < finished]
        start = min(reach.values(), default=newest - dt.timedelta(days=29))
        command = f"`ml-assets run --from {start} --to {finished}`"
        yield Finding(topic, f"newest: {found}", command if behind else "")
    rejected = read_rejected(connection, [config_id])
    if rejected.height:
        total = rejected.get_column("rows").sum()
        reasons = (
            rejected.group_by("reason")
            .agg(pl.col("rows").sum())
            .sort("rows", "reason", descending=[True, False])
        )
        listed = "; ".join(f"{rows} x {reason}" for reason, rows in reasons.head(REASONS_SHOWN).rows())
        yield Finding(" set aside", f"{total} rows in ads_rejected_rows: {listed}")


def _finished(newest: dt.date, account: dict[str, Any]) -> dt.date:
    """The newest day with figures that is over where the account is."""
    from zoneinfo import ZoneInfo

    from ml_assets.settings import settings

    today = dt.datetime.now(ZoneInfo(account["timezone"] or settings().timezone)).date()
    return min(newest, today - dt.timedelta(days=1))


def _dagster() -> Iterator[Finding]:
    import warnings

    import dagster as dg

    from ml_assets.cli.doctor_instance import instance_findings
    from ml_assets.defs.instance import dagster_home, open_instance

    # Dagster calls what the levels rest on beta, in many lines that help no user of this command.
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    home = dagster_home()
    try:
        with open_instance() as instance:
            runs = instance.get_runs_count()
            yield Finding("dagster", f"DAGSTER_HOME {home}, {runs} runs so far")
            yield from instance_findings(instance, dt.datetime.now(dt.UTC))
    except Exception as error:  # noqa: BLE001 - whatever keeps it from opening is what is to be told
        yield Finding(
            "dagster",
            f"DAGSTER_HOME {home} cannot be used: {' '.join(str(error).split())[:MOST_CHARACTERS]}",
            f"check {home / 'dagster.yaml'}, the variables it names, and the database it names",
        )
