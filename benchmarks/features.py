"""Cost of the features against the same windows in DuckDB and in a pandas loop over entities, in one run.

`python -m benchmarks.features [--ads 33000] [--days 30]` makes ad-level insights in memory and prints, as
ratios of medians of interleaved runs: the windows of all three levels for one date and for ninety, ours
against DuckDB; the pandas loop on a sample of ads, checked equal and extrapolated; the whole of
`compute_features` beside it; and the peak memory of one date in a process of its own.
"""

import argparse
import datetime as dt
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.entity_metrics import conform_insights
from ml_assets.features import FeatureInputs, compute_features
from ml_assets.features.compute import MOST_CELLS, lay_out
from ml_assets.features.estimates import grid_for
from ml_assets.features.maturity import learn_maturity
from ml_assets.features.windows import window_columns, window_expressions
from ml_assets.frames import (
    ACCOUNTS,
    ENTITIES,
    ENTITY_VERSIONS,
    INSIGHTS,
    LEAD_DEVELOPMENT,
    empty,
    fill_missing,
)

LAST = dt.date(2026, 6, 30)
FRAMES = ("accounts", "entities", "versions", "metrics", "development")
SUMS = ("spend", "impressions", "clicks", "leads")
COMPARED = (
    "spend_7d", "impressions_7d", "clicks_7d", "leads_7d", "spend_14d", "leads_14d", "spend_30d", "leads_30d",
    "cpl_7d", "ctr_7d", "cpc_7d", "cpm_7d", "cpl_30d", "spend_trend", "ctr_trend", "days_active",
    "days_with_leads_7d", "avg_daily_spend_30d", "cpl_std_7d", "cpl_14d", "conversion_rate_7d",
    "cpl_trend", "leads_trend", "leads_std_7d", "leads_dispersion", "delivery_days_14d", "frequency_7d_min",
)  # fmt: skip


def make_inputs(ads: int, days: int, spread: float = 0.0) -> FeatureInputs:
    """Ad-level insights of one account, `ads` x `days` rows: 3 ads to an adset, 4 adsets to a campaign.

    `spread` is the deviation of the log of the ads' lead rates; 0 makes all ads alike.
    """
    rng = np.random.default_rng(7)
    rate = np.exp(np.random.default_rng(8).normal(0.0, spread, ads)) / 40.0
    rows = ads * days
    ad = np.repeat(np.arange(ads), days)
    spend = np.round(rng.gamma(1.5, 8.0, rows), 2)
    impressions = np.maximum((spend * rng.uniform(35, 45, rows)).astype(np.int64), 1)
    clicks = rng.binomial(impressions, 0.012)
    first = LAST - dt.timedelta(days=days - 1)
    insights = pl.DataFrame(
        {
            "config_id": np.ones(rows, dtype=np.int64),
            "entity_type": pl.repeat("ad", rows, eager=True),
            "entity_id": pl.Series(ad + 120_000_000_000_000_000).cast(pl.String),
            "date": pl.Series(np.tile(np.arange(days), ads)).cast(pl.Int32).cast(pl.Date)
            + (first - dt.date(1970, 1, 1)),
            "window_days": np.ones(rows, dtype=np.int64),
            "spend": spend,
            "impressions": impressions,
            "clicks": clicks,
            "leads": rng.poisson(spend * np.repeat(rate, days)),
            "reach": np.maximum(impressions // 2, 1),
            "known_at": pl.repeat(dt.datetime(2026, 7, 1, 8, tzinfo=dt.UTC), rows, eager=True),
        }
    )
    ids = pl.Series(np.arange(ads) + 120_000_000_000_000_000).cast(pl.String)
    adset = pl.Series(np.arange(ads) // 3)
    tree = pl.concat(
        [
            _entities("ad", ids, "s" + adset.cast(pl.String), "c" + (adset // 4).cast(pl.String)),
            _entities(
                "adset",
                *(
                    ("s", "c", "c")[i] + (x).cast(pl.String)
                    for i, x in enumerate((adset.unique(), adset.unique() // 4, adset.unique() // 4))
                ),
            ),
            _entities(
                "campaign",
                "c" + (adset // 4).unique().cast(pl.String),
                None,
                "c" + (adset // 4).unique().cast(pl.String),
            ),
        ]
    )
    accounts = pl.DataFrame({"config_id": [1], "account_id": ["1"], "timezone": ["UTC"], "is_active": [True]})
    return FeatureInputs(
        accounts=fill_missing(accounts, ACCOUNTS),
        entities=tree,
        versions=empty(ENTITY_VERSIONS),
        metrics=conform_insights(fill_missing(insights, INSIGHTS), tree),
        development=empty(LEAD_DEVELOPMENT),
    )


def _entities(level: str, ids: pl.Series, parents: pl.Series | None, campaigns: pl.Series) -> pl.DataFrame:
    columns = {
        "entity_id": ids,
        "campaign_id": campaigns,
        "status": pl.repeat("ACTIVE", len(ids), eager=True),
    }
    if parents is not None:
        columns["parent_id"] = parents
    frame = pl.DataFrame(columns).with_columns(config_id=pl.lit(1, pl.Int64), entity_type=pl.lit(level))
    return fill_missing(frame, ENTITIES)


def windows(inputs: FeatureInputs, dates: list[dt.date]) -> dict[EntityType, pl.DataFrame]:
    """Our plain windows of all three levels, made and chunked as `compute_features` does."""
    tree = grid_for(inputs, EntityType.AD, dates)
    made: dict[EntityType, pl.DataFrame] = {}
    for level, grid in tree.levels.items():
        step = max(1, MOST_CELLS // grid.keys.height)
        parts: list[pl.DataFrame] = []
        for first in range(0, len(dates), step):
            part = dates[first : first + step]
            at = tree.columns(part)
            maturity = learn_maturity(tree, inputs.metrics, inputs.development, at)
            frame = lay_out(grid.keys, part, window_columns(grid, maturity, at))
            parts.append(
                frame.with_columns(window_expressions()).select("entity_id", "feature_date", *COMPARED)
            )
        made[level] = pl.concat(parts)
    return made


_RATIOS = """spend_7d / nullif(leads_7d, 0) AS cpl_7d, clicks_7d / nullif(impressions_7d, 0) AS ctr_7d,
    spend_7d / nullif(clicks_7d, 0) AS cpc_7d, 1000 * spend_7d / nullif(impressions_7d, 0) AS cpm_7d,
    spend_30d / nullif(leads_30d, 0) AS cpl_30d, spend_7d / nullif(spend_previous, 0) - 1 AS spend_trend,
    (clicks_7d / nullif(impressions_7d, 0)) / nullif(clicks_previous / nullif(impressions_previous, 0), 0) - 1
        AS ctr_trend,
    spend_30d / nullif(spend_days, 0) AS avg_daily_spend_30d,
    spend_14d / nullif(leads_14d, 0) AS cpl_14d, leads_7d / nullif(clicks_7d, 0) AS conversion_rate_7d,
    impressions_7d / nullif(reach_bound_7d, 0) AS frequency_7d_min,
    (visible_spend_7d / nullif(leads_7d, 0))
        / nullif(visible_spend_previous / nullif(leads_previous, 0), 0) - 1 AS cpl_trend,
    (leads_7d / visible_days_7d) / nullif(leads_previous / visible_days_previous, 0) - 1 AS leads_trend,
    sqrt(leads_variance_7d) AS leads_std_7d,
    leads_variance_28d / nullif(leads_mean_28d, 0) AS leads_dispersion"""

_SUMS = [(name, days) for name in SUMS for days in (7, 14, 30)]


def _one_date_query(level: EntityType, day: dt.date) -> str:
    """Conditional sums in one pass over the 30 days."""
    within = {days: f"date > DATE '{day}' - {days}" for days in (7, 14, 28, 30)}
    previous = f"date > DATE '{day}' - 14 AND date <= DATE '{day}' - 7"
    sums = [f"sum({name}) FILTER (WHERE {within[days]}) AS {name}_{days}d" for name, days in _SUMS]
    sums += [f"sum({name}) FILTER (WHERE {previous}) AS {name}_previous" for name in SUMS]
    sums += [
        "count(*) FILTER (WHERE impressions > 0) AS days_active",
        "count(*) FILTER (WHERE spend > 0) AS spend_days",
        f"count(*) FILTER (WHERE {within[7]} AND leads > 0) AS days_with_leads_7d",
        f"stddev_samp(spend / leads) FILTER (WHERE {within[7]} AND leads > 0) AS cpl_std_7d",
        f"count(*) FILTER (WHERE {within[14]} AND impressions > 0) AS delivery_days_14d",
        f"sum(reach_bound) FILTER (WHERE {within[7]}) AS reach_bound_7d",
        f"var_samp(leads) FILTER (WHERE {within[7]}) AS leads_variance_7d",
        f"var_samp(leads) FILTER (WHERE {within[28]}) AS leads_variance_28d",
        f"avg(leads) FILTER (WHERE {within[28]}) AS leads_mean_28d",
    ]
    for week, when in (("7d", within[7]), ("previous", previous)):
        sums.append(f"sum(spend * visible) FILTER (WHERE {when}) AS visible_spend_{week}")
        sums.append(f"sum(visible) FILTER (WHERE {when}) AS visible_days_{week}")
    return f"""SELECT *, {_RATIOS} FROM (SELECT entity_id, DATE '{day}' AS feature_date, {", ".join(sums)}
        FROM {level.value} JOIN maturity USING (date)
        WHERE date > DATE '{day}' - 30 AND date <= DATE '{day}' GROUP BY entity_id)"""


def _many_dates_query(level: EntityType, first: dt.date, last: dt.date) -> str:
    """Range windows over every entity's days."""
    frames = ", ".join(
        f"w{days} AS (PARTITION BY entity_id ORDER BY date RANGE BETWEEN INTERVAL {days - 1} DAYS PRECEDING"
        " AND CURRENT ROW)"
        for days in (7, 14, 28, 30)
    )
    frames += (
        ", wp AS (PARTITION BY entity_id ORDER BY date RANGE BETWEEN INTERVAL 13 DAYS PRECEDING"
        " AND INTERVAL 7 DAYS PRECEDING)"
    )
    sums = [f"sum({name}) OVER w{days} AS {name}_{days}d" for name, days in _SUMS]
    sums += [f"sum({name}) OVER wp AS {name}_previous" for name in SUMS]
    sums += [
        "sum((impressions > 0)::INT) OVER w30 AS days_active",
        "sum((spend > 0)::INT) OVER w30 AS spend_days",
        "sum((leads > 0)::INT) OVER w7 AS days_with_leads_7d",
        "stddev_samp(CASE WHEN leads > 0 THEN spend / leads END) OVER w7 AS cpl_std_7d",
        "sum((impressions > 0)::INT) OVER w14 AS delivery_days_14d",
        "sum(reach_bound) OVER w7 AS reach_bound_7d",
        "var_samp(leads) OVER w7 AS leads_variance_7d",
        "var_samp(leads) OVER w28 AS leads_variance_28d",
        "avg(leads) OVER w28 AS leads_mean_28d",
        "sum(spend) OVER w7 AS visible_spend_7d",
        "sum(spend) OVER wp AS visible_spend_previous",
        "count(*) OVER w7 AS visible_days_7d",
        "count(*) OVER wp AS visible_days_previous",
    ]
    return f"""SELECT *, {_RATIOS} FROM (
        SELECT entity_id, date AS feature_date, {", ".join(sums)} FROM {level.value} WINDOW {frames}
        ) WHERE feature_date BETWEEN DATE '{first}' AND DATE '{last}'"""


def duckdb_windows(
    connection: duckdb.DuckDBPyConnection, dates: list[dt.date]
) -> dict[EntityType, pl.DataFrame]:
    """The same windows by DuckDB, from tables it holds in memory."""
    made: dict[EntityType, pl.DataFrame] = {}
    for level in LEVELS:
        query = (
            _one_date_query(level, dates[0])
            if len(dates) == 1
            else _many_dates_query(level, min(dates), max(dates))
        )
        result = pl.from_arrow(connection.sql(query).to_arrow_table())
        made[level] = result.select("entity_id", "feature_date", *COMPARED)  # type: ignore[union-attr]
    return made


def pandas_loop(rows: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    """The windows of one level by a loop over entities, as a script would do it."""
    made = []
    for entity_id, group in rows.groupby("entity_id"):
        row: dict[str, object] = {"entity_id": entity_id}
        ends = pd.Timestamp(day)
        part = {days: group[group["date"] > ends - pd.Timedelta(days=days)] for days in (7, 14, 30)}
        for name, days in _SUMS:
            row[f"{name}_{days}d"] = part[days][name].sum()
        before = group[
            (group["date"] > ends - pd.Timedelta(days=14)) & (group["date"] <= ends - pd.Timedelta(days=7))
        ]

        def rate(top: float, bottom: float, factor: float = 1.0) -> float:
            return factor * top / bottom if bottom else np.nan

        row["cpl_7d"] = rate(row["spend_7d"], row["leads_7d"])  # type: ignore[arg-type]
        row["ctr_7d"] = rate(row["clicks_7d"], row["impressions_7d"])  # type: ignore[arg-type]
        row["cpc_7d"] = rate(row["spend_7d"], row["clicks_7d"])  # type: ignore[arg-type]
        row["cpm_7d"] = rate(row["spend_7d"], row["impressions_7d"], 1000.0)  # type: ignore[arg-type]
        row["cpl_30d"] = rate(row["spend_30d"], row["leads_30d"])  # type: ignore[arg-type]
        row["spend_trend"] = rate(row["spend_7d"], before["spend"].sum()) - 1  # type: ignore[arg-type]
        ctr_before = rate(before["clicks"].sum(), before["impressions"].sum())
        row["ctr_trend"] = rate(row["ctr_7d"], ctr_before) - 1  # type: ignore[arg-type]
        row["days_active"] = (part[30]["impressions"] > 0).sum()
        row["days_with_leads_7d"] = (part[7]["leads"] > 0).sum()
        spent = part[30][part[30]["spend"] > 0]
        row["avg_daily_spend_30d"] = spent["spend"].mean()
        with_leads = part[7][part[7]["leads"] > 0]
        row["cpl_std_7d"] = (with_leads["spend"] / with_leads["leads"]).std()
        made.append(row)
    return pd.DataFrame(made)


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def compare(
    ours: Callable[[], object], theirs: Callable[[], object], runs: int
) -> tuple[float, float, float]:
    """Medians of both and of the ratio theirs / ours, run in turn after one warm-up each."""
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(runs)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def differing(ours: pl.DataFrame, theirs: pl.DataFrame) -> list[str]:
    """Columns both have in which they differ by more than 1e-9 relative."""
    both = ours.join(theirs, on=["entity_id", "feature_date"], suffix="_theirs", how="full", coalesce=True)
    wrong = []
    for name in [name for name in COMPARED if name in theirs.columns]:
        a, b = pl.col(name).cast(pl.Float64), pl.col(f"{name}_theirs").cast(pl.Float64)
        same = ((a - b).abs() <= 1e-9 * pl.max_horizontal(a.abs(), b.abs(), 1.0)) | (
            a.is_null() & b.is_null()
        )
        if not both.select(same.fill_null(value=False).all()).item():
            wrong.append(name)
    return wrong


def load(connection: duckdb.DuckDBPyConnection, inputs: FeatureInputs) -> None:
    """One table per level inside DuckDB, and the maturity of each day as of the last date."""
    tree = grid_for(inputs, EntityType.CAMPAIGN, [LAST])
    maturity = learn_maturity(tree, inputs.metrics, inputs.development, tree.columns([LAST]))
    lags = range(tree.days)
    visible = pl.DataFrame(
        {
            "date": [LAST - dt.timedelta(days=lag) for lag in lags],
            "visible": [float(maturity.visible(lag)[0, 0]) for lag in lags],
        }
    )
    connection.register("days", visible.to_arrow())
    connection.execute("CREATE OR REPLACE TABLE maturity AS SELECT * FROM days")
    for level in LEVELS:
        rows = inputs.metrics.filter(pl.col("entity_type") == level.value).select(
            "entity_id", "date", *SUMS, "reach_bound"
        )
        connection.register("rows", rows.to_arrow())
        connection.execute(f"CREATE OR REPLACE TABLE {level.value} AS SELECT * FROM rows")
        connection.unregister("rows")


def peak_memory() -> float:
    """Highest resident memory of this process so far, in MB; a child's does not hold its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def peak_of_one_date(folder: Path) -> dict[str, float]:
    """Peak memory of this process in MB: with the inputs read, and after `compute_features`, all levels."""
    inputs = FeatureInputs(**{name: pl.read_parquet(folder / f"{name}.parquet") for name in FRAMES})
    before = peak_memory()
    for level in LEVELS:
        compute_features(inputs, level, [LAST])
    return {"before": before, "peak": peak_memory()}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ads", type=int, default=33_334)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sample", type=int, default=300, help="ads in the pandas loop")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        print(json.dumps(peak_of_one_date(arguments.peak)))
        return
    connection = duckdb.connect()
    inputs = make_inputs(arguments.ads, 30)
    load(connection, inputs)
    rows = inputs.metrics.filter(pl.col("entity_type") == "ad").height
    print(f"{rows:,} rows of {arguments.ads:,} ads over 30 days, all three levels, one date")
    mine, base = windows(inputs, [LAST]), duckdb_windows(connection, [LAST])
    print("  differing columns:", {level.value: differing(mine[level], base[level]) for level in LEVELS})
    a, b, ratio = compare(
        lambda: windows(inputs, [LAST]), lambda: duckdb_windows(connection, [LAST]), arguments.runs
    )
    print(f"  windows: ours {a:.3f} s, DuckDB {b:.3f} s, DuckDB / ours {ratio:.2f}")
    one_date = a
    ids = mine[EntityType.AD]["entity_id"].head(arguments.sample)
    sample = inputs.metrics.filter(pl.col("entity_id").is_in(ids.implode())).select(
        "entity_id", "date", *SUMS
    )
    frame = sample.to_pandas()
    frame["date"] = pd.to_datetime(frame["date"])
    looped = pl.from_pandas(pandas_loop(frame, LAST)).with_columns(
        pl.col(pl.Float64).fill_nan(None), feature_date=pl.lit(LAST)
    )
    print(
        "  pandas loop differs in:",
        differing(mine[EntityType.AD].filter(pl.col("entity_id").is_in(ids.implode())), looped),
    )
    per_entity = seconds(lambda: pandas_loop(frame, LAST)) / len(ids)
    entities = sum(made.height for made in mine.values())
    print(
        f"  pandas loop over entities, extrapolated from {len(ids)}: {per_entity * entities:.0f} s, "
        f"loop / ours {per_entity * entities / one_date:.0f}"
    )
    whole = statistics.median(
        seconds(lambda: [compute_features(inputs, level, [LAST]) for level in LEVELS])
        for _ in range(arguments.runs)
    )
    print(
        f"  whole compute_features (estimate, siblings, fatigue, state ...): {whole:.2f} s, "
        f"{whole / b:.1f} x DuckDB's plain windows"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in FRAMES:
            getattr(inputs, name).write_parquet(Path(folder) / f"{name}.parquet")
        peak = json.loads(
            subprocess.run(  # noqa: S603 - this module itself
                [sys.executable, "-m", "benchmarks.features", "--peak", folder],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
    print(
        f"  peak memory of the process: {peak['peak']:.0f} MB,"
        f" {peak['before']:.0f} MB once Python, the libraries and the inputs are in"
    )
    del inputs
    inputs = make_inputs(arguments.ads, 120)
    load(connection, inputs)
    dates = [LAST - dt.timedelta(days=back) for back in range(89, -1, -1)]
    many, many_base, many_ratio = compare(
        lambda: windows(inputs, dates), lambda: duckdb_windows(connection, dates), 1
    )
    recent = seconds(lambda: windows(inputs, [LAST]))
    print(f"90 dates in one pass over {inputs.metrics.height:,} rows of all levels")
    print(
        f"  windows: ours {many:.2f} s, DuckDB {many_base:.2f} s, DuckDB / ours {many_ratio:.2f}; "
        f"{many / recent:.1f} x one date on the same rows, {many / one_date:.1f} x one date on 30 days"
    )


if __name__ == "__main__":
    main()
