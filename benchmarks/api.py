"""Lists of the REST API under load: one worker, PostgreSQL and the load generator on the same two cores.

    python -m benchmarks.api                  # 1,000,000 rows, 200 requests a second, 30 s for each list
    python -m benchmarks.api --minutes 10     # one list for ten minutes more: does memory stay flat?

The generator is `hey` (https://github.com/rakyll/hey, Debian's package `hey`). The same query by psycopg
alone, in the same run, is the baseline.
"""

import argparse
import csv
import datetime as dt
import io
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import requests
import sqlalchemy as sa

from benchmarks.ui_backfill import databases
from ml_assets.entities import EntityType
from ml_assets.settings import child_environment
from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage import lists
from ml_assets.storage.accounts import add_account
from ml_assets.storage.bulk import insert_frame
from ml_assets.storage.engine import create_engine
from ml_assets.storage.keys import row_ids, table_of
from ml_assets.storage.pages import read_page
from ml_assets.storage.schema import upgrade
from ml_assets.storage.tables import MLAnomaly, MLClassification, MLRecommendation
from ml_assets.storage.tokens import create_token

ACCOUNTS = 20
ENTITIES = {EntityType.CAMPAIGN: 18, EntityType.ADSET: 91, EntityType.AD: 278}
LAST_DAY = dt.date(2026, 2, 28)
ROWS_OF_A_PAGE = 50
GENERATORS, WORKERS = 20, 1
"""Workers of one generator ask in step; generators that begin at even distances do not."""

LISTS = {
    "classifications": lists.CLASSIFICATIONS,
    "recommendations": lists.RECOMMENDATIONS,
    "anomalies": lists.ANOMALIES,
}
PAGES = {"classifications": MLClassification, "recommendations": MLRecommendation, "anomalies": MLAnomaly}

REASONING = json.dumps(
    {
        "rule": "high_cpl_budget_decrease",
        "inputs": {
            "spend_7d": 1250.5,
            "leads_7d": 11,
            "cpl_shrunk": 74.2,
            "target_cpl": 49.3,
            "expected": 25.4,
        },
        "thresholds": {"in": 0.95, "out": 0.6, "ratio": 1.2},
        "guards_passed": [
            "learning",
            "recent_edit",
            "immature",
            "tracking",
            "data_quality",
            "cooldown",
            "step",
        ],
        "why": ["CPL is 74.20, above 1.2 times the target of 49.30, with a probability of 97 %."],
    }
)
IMPACT = json.dumps(
    {
        "leads_per_week": {"value": -2.1, "lo_80": -3.4, "hi_80": -0.9},
        "spend_per_week": {"value": -250.1, "lo_80": -250.1, "hi_80": -250.1},
        "money_per_week": {"value": 146.4, "lo_80": 80.2, "hi_80": 205.3},
    }
)
PROBABILITIES = json.dumps(
    {"HIGH_PERFORMER": 0.35005307, "MODERATE": 0.56043627, "LOW": 0.088498, "UNDERPERFORMER": 0.00101266}
)
SNAPSHOT = json.dumps({f"feature_{number}": 1234.5678 / (number + 1) for number in range(14)})


def figures(model: type[Any], days: int) -> Iterator[pl.DataFrame]:
    """Rows of a table, a frame for each account: every entity on every day."""
    entities = pl.concat(
        pl.DataFrame({"number": range(count)}).select(
            entity_type=pl.lit(level.value),
            entity_id=pl.format("1202{}{}", pl.lit(str(LEVEL_DIGITS[level])), pl.col("number") + 10**9),
        )
        for level, count in ENTITIES.items()
    )
    dates = pl.DataFrame({"date": [LAST_DAY - dt.timedelta(days=back) for back in range(days)]})
    for config_id in range(1, ACCOUNTS + 1):
        keyed = dates.join(entities, how="cross").with_columns(
            config_id=pl.lit(config_id), entity_id=pl.col("entity_id") + str(config_id), parent_id=pl.lit("1")
        )
        yield shaped(model, keyed)


LEVEL_DIGITS = {EntityType.CAMPAIGN: 1, EntityType.ADSET: 2, EntityType.AD: 3}


def shaped(model: type[Any], keyed: pl.DataFrame) -> pl.DataFrame:
    """Rows as long as those of the real thing."""
    moment = pl.lit(dt.datetime(2026, 3, 1, 5, tzinfo=dt.UTC))
    if model is MLClassification:
        rows = keyed.rename({"date": "classification_date"}).with_columns(
            tier=pl.lit("MODERATE"), confidence_score=pl.lit(0.56), probabilities=pl.lit(PROBABILITIES),
            metrics_snapshot=pl.lit(SNAPSHOT), feature_importances=pl.lit(IMPACT),
            model_version=pl.lit("bayes-1"),
            classified_at=moment, valid_until=moment,
        )  # fmt: skip
    elif model is MLRecommendation:
        rows = keyed.rename({"date": "recommendation_date"}).with_columns(
            recommendation_type=pl.lit("BUDGET_DECREASE"), priority=pl.int_range(pl.len()) % 10 + 1,
            title=pl.lit("Lower the budget of Leads | cold | 25-44 by 20 %"), confidence_score=pl.lit(0.97),
            description=pl.lit("It costs 74.20 a lead where 49.30 is the target. " * 3),
            suggested_action=pl.lit(json.dumps({"action": "set_daily_budget", "from": 50.0, "to": 40.0})),
            reasoning=pl.lit(REASONING), expected_impact=pl.lit(IMPACT), cost_of_waiting=pl.lit(146.4),
            created_at=moment, expires_at=pl.lit(dt.datetime(2099, 1, 1, tzinfo=dt.UTC)),
            case_id=pl.lit("c" * 36),
        )  # fmt: skip
    else:
        rows = keyed.rename({"date": "anomaly_date"}).with_columns(
            metric_name=pl.lit("cpm"), anomaly_type=pl.lit("CPM_SPIKE"), observed_value=pl.lit(42.1),
            expected_value=pl.lit(20.3), lower_value=pl.lit(14.0), upper_value=pl.lit(29.9),
            p_value=pl.lit(1e-5),
            deviation_score=pl.lit(4.4), severity=pl.lit("HIGH"), direction=pl.lit("up"),
            is_alert=pl.lit(True),
            description=pl.lit("CPM of Leads | cold is 42.10, 20.30 was expected. " * 2), detected_at=moment,
        )  # fmt: skip
    return rows.with_columns(row_ids(rows, table_of(model).name))


def fill(engine: sa.Engine, rows: int) -> None:
    """Accounts with about `rows` rows in all, a third of them in each table."""
    days = max(1, round(rows / len(PAGES) / ACCOUNTS / sum(ENTITIES.values())))
    began, count = time.monotonic(), 0
    with engine.begin() as connection:
        for number in range(ACCOUNTS):
            add_account(connection, AccountInfo(account_id=str(1000 + number), name=f"Account {number}"))
    for name, model in PAGES.items():
        for frame in figures(model, days):
            with engine.begin() as connection:
                count += insert_frame(connection, table_of(model), frame)
        print(f"{name}: {count:,} rows so far, {time.monotonic() - began:.0f} s", flush=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


@contextmanager
def served(url: str, folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`ml-assets serve` on the database: its address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = child_environment(
        ML_ASSETS_DATABASE_URL=url, ML_ASSETS_DATA_DIR=str(folder), DAGSTER_HOME=str(folder / "dagster")
    )
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "ml_assets.cli", "serve", f"--port={port}"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            time.sleep(0.1)
            try:
                if requests.get(f"{address}/readyz", timeout=5).ok:
                    break
            except requests.RequestException:
                assert process.poll() is None, "the server ended"
        yield address, process
    finally:
        process.terminate()
        process.wait(30)


def load(address: str, path: str, secret: str, per_second: int, seconds: int) -> list[float]:
    """Seconds of each answer at a steady rate; it fails where one is not 200.

    Up to GENERATORS x WORKERS requests are under way at the same time.
    """
    program = shutil.which("hey")
    assert program is not None, "install the load generator `hey` (Debian: apt install hey)"
    command = [
        program, "-z", f"{seconds}s", "-c", str(WORKERS), "-q", str(per_second / GENERATORS / WORKERS),
        "-o", "csv",
        "-H", f"Authorization: Bearer {secret}", f"{address}/api/v1/ml/{path}",
    ]  # fmt: skip
    started: list[subprocess.Popen[str]] = []
    began = time.monotonic()
    for number in range(GENERATORS):
        time.sleep(max(0.0, began + number * WORKERS / per_second - time.monotonic()))
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))  # noqa: S603
    texts: list[str] = []
    readers = [threading.Thread(target=lambda one=one: texts.append(one.communicate()[0])) for one in started]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    rows = [row for text in texts for row in csv.DictReader(io.StringIO(text))]
    wrong = [row["status-code"] for row in rows if row["status-code"] != "200"]
    assert not wrong, f"{len(wrong)} answers were not 200; the first was {wrong[0]}"
    return [float(row["response-time"]) for row in rows]


def alone(engine: sa.Engine, name: str, level: str, times: int = 400) -> list[float]:
    """Seconds of the same query by psycopg alone, one after the other, rows as it gives them."""
    asked: list[tuple[str, Any]] = []

    def note(*event: Any) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
        asked.append((event[2], event[3]))

    sa.event.listen(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        asked_for = {"level": level, "now": dt.datetime.now(dt.UTC), "blocked": False}
        ids = range(1, ACCOUNTS + 1)
        read_page(connection, LISTS[name], ids, asked_for, days=None, limit=ROWS_OF_A_PAGE)
    sa.event.remove(engine, "before_cursor_execute", note)
    statement, parameters = asked[-1]
    found: list[float] = []
    with psycopg.connect(
        engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    ) as raw:
        for _ in range(times):
            began = time.perf_counter()
            rows = raw.execute(statement, parameters).fetchall()
            found.append(time.perf_counter() - began)
            assert len(rows) >= ROWS_OF_A_PAGE
    return found[times // 10 :]


def told(seconds: list[float]) -> str:
    """Percentiles in milliseconds."""
    cuts = statistics.quantiles(seconds, n=1000)
    parts = {"p50": cuts[499], "p95": cuts[949], "p99": cuts[989], "max": max(seconds)}
    return ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in parts.items())


def resident(pid: int) -> float:
    """Megabytes that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def watch_memory(pid: int, found: list[float], stop: threading.Event) -> None:
    """Note what the process holds, every five seconds."""
    while not stop.wait(5):
        found.append(resident(pid))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lists", default=",".join(PAGES), help="separated by commas")
    parser.add_argument("--entity-type", default="campaign", choices=[level.value for level in ENTITIES])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--per-second", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=30, help="of each list")
    parser.add_argument("--minutes", type=float, default=0, help="of one list more, watching memory")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, databases("postgresql", Path(name)) as (url, _):
        folder = Path(name)
        engine = create_engine(url)
        upgrade(engine)
        fill(engine, asked.rows)
        with engine.begin() as connection:
            secret, _ = create_token(connection, "load", "read", None, None, "benchmark")
        with served(url, folder) as (address, process):
            for each in asked.lists.split(","):
                path = f"{each}?entity_type={asked.entity_type}&limit={ROWS_OF_A_PAGE}"
                load(address, path, secret, asked.per_second, 5)
                answers = load(address, path, secret, asked.per_second, asked.seconds)
                own = alone(engine, each, asked.entity_type)
                ratio = statistics.median(answers) / statistics.median(own)
                print(
                    f"GET /{path}: {len(answers) / asked.seconds:.0f} a second, {told(answers)}", flush=True
                )
                print(
                    f"  the query by psycopg alone: {told(own)}; ratio of the medians {ratio:.1f}", flush=True
                )
            if asked.minutes:
                found: list[float] = []
                stop = threading.Event()
                threading.Thread(target=watch_memory, args=(process.pid, found, stop), daemon=True).start()
                seconds = int(60 * asked.minutes)
                path = f"recommendations?limit={ROWS_OF_A_PAGE}"
                answers = load(address, path, secret, asked.per_second, seconds)
                stop.set()
                print(f"GET /{path} for {asked.minutes:g} minutes: {told(answers)}")
                minute = found[: max(1, 60 // 5)]
                print(
                    f"  memory: {statistics.mean(minute):.0f} MB in the first minute, "
                    f"{statistics.mean(found[-len(minute) :]):.0f} MB in the last, "
                    f"{max(found):.0f} MB at most"
                )
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
