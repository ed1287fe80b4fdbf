"""Figures of a level as matrices of entities x days, and the tree that joins the levels.

A day without a row is zero delivery, so a dense matrix is the natural shape: a window sum is the
difference of two columns of a running total, the same for one date or ninety. Totals are kept as
integers (money in millionths), so a sum does not depend on where the running total started.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from ml_assets.entities import EntityType
from ml_assets.entity_state import ACTIVE
from ml_assets.metrics import MICROS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FEW_DATES = 8
"""Up to so many dates their windows are summed one by one."""

SAMPLE = 4000
"""Entities per account and level from which account-wide parameters are learnt; more do not move them."""

FIGURES = ("spend", "impressions", "clicks", "leads", "reach_bound")
MOST_SQUARED = 46_340
"""The largest daily count whose square fits 32 bits."""

_NEEDED = ("config_id", "entity_id", "parent_id", "campaign_id", "date", *FIGURES)


@dataclass(frozen=True)
class Groups:
    """A grouping of rows: `index[i]` is the group of row i, one of `count` groups."""

    index: IntArray
    count: int

    @cached_property
    def _matrix(self) -> sparse.csr_array:
        rows = self.index.size
        ones = np.ones(rows)
        return sparse.csr_array((ones, (self.index, np.arange(rows))), shape=(self.count, rows))

    def total(self, values: npt.NDArray[np.generic]) -> FloatArray:
        """Sums of `values` (rows, ...) over the rows of each group: (count, ...)."""
        return np.asarray(self._matrix @ values, dtype=np.float64)

    def spread(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The value of each row's group: (count, ...) -> (rows, ...)."""
        return values[self.index]


@dataclass(frozen=True)
class LateLeads:
    """Leads that were not known yet on past dates, so that windows can be as they were looked at then.

    One entry per revision: `row` and `day` it belongs to, `known`, the column of the first date that knew of
    it, and `leads`. It holds where windows are asked for `total` dates at once, which increase.
    """

    row: IntArray
    day: IntArray
    known: IntArray
    leads: IntArray
    total: int

    def missing(self, rows: int, at: IntArray, days: int, shift: int) -> FloatArray:
        """What a window sum of leads holds now and did not then: (rows, at.size)."""
        start = self.day + shift
        end = np.minimum(self.known, start + days)
        first, last = np.searchsorted(at, start), np.searchsorted(at, end)
        counts = first < last
        steps = np.zeros((rows, at.size + 1))
        np.add.at(steps, (self.row[counts], first[counts]), self.leads[counts])
        np.add.at(steps, (self.row[counts], last[counts]), -self.leads[counts])
        return np.cumsum(steps, axis=1)[:, :-1]

    def missing_between(self, at: IntArray, start: IntArray, end: IntArray) -> FloatArray:
        """The same of days [start, end), which are columns by row and date: (rows, at.size)."""
        missed = np.zeros(start.shape)
        row, day = self.row, self.day[:, None]
        counts = (start[row] <= day) & (day < end[row]) & (at < self.known[:, None])
        np.add.at(missed, row, counts * self.leads[:, None])
        return missed

    def take(self, rows: IntArray, height: int) -> "LateLeads":
        """The revisions of the given rows, renumbered; `height` is how many rows there were."""
        place = np.full(height, -1, dtype=np.int64)
        place[rows] = np.arange(rows.size)
        row = place[self.row]
        kept = row >= 0
        return replace(
            self, row=row[kept], day=self.day[kept], known=self.known[kept], leads=self.leads[kept]
        )


@dataclass(frozen=True)
class LevelGrid:
    """One level of all accounts: who is there, and every figure as (entities, days)."""

    entity_type: EntityType
    keys: pl.DataFrame
    """config_id, entity_id, parent_id, campaign_id; row i of every matrix is row i here."""
    parent: Groups
    """Groups of siblings: rows of the level above, or accounts for campaigns."""
    account: Groups
    values: dict[str, npt.NDArray[np.integer]]
    """Figure -> (entities, days); spend in micros; 0 where there is no row."""
    unknown: dict[str, npt.NDArray[np.bool_]]
    """Figure -> (entities, days) where a row stands without that figure; only figures that have such."""
    in_sample: npt.NDArray[np.bool_]
    """(entities,): all of a small account, about `SAMPLE` of a large one, always the same."""
    late: LateLeads | None = None
    """None: all windows are as known now."""

    def window(self, name: str, at: IntArray, days: int, shift: int = 0) -> FloatArray:
        """Sum of a figure over the `days` ending `shift` days before each column of `at`.

        (entities, dates); money in major units. NaN where the window holds rows but the figure on none.
        """
        summed = window_sum(self.values[name], at, days, shift)
        if name == "leads" and self.late is not None and at.size == self.late.total:
            summed -= self.late.missing(summed.shape[0], at, days, shift)
        if name == "spend":
            summed /= MICROS
        if name in self.unknown:
            rows = window_sum(self.values["rows"], at, days, shift)
            absent = window_sum(self.unknown[name], at, days, shift)
            summed[(rows > 0) & (absent >= rows)] = np.nan
        return summed

    def daily(self, name: str, at: IntArray, lag: int) -> FloatArray:
        """The figure `lag` days before each column of `at`: (entities, dates); 0 before the grid."""
        column = at - lag
        values = self.values[name][:, np.maximum(column, 0)].astype(np.float64)
        values[:, column < 0] = 0.0
        if name == "leads" and self.late is not None and at.size == self.late.total:
            values -= self.late.missing(values.shape[0], at, 1, lag)
        return values / MICROS if name == "spend" else values

    def where_known(self, figure: str) -> "LevelGrid":
        """The level with only the days on which `figure` is known: rates of it are those of these days."""
        if figure not in self.unknown:
            return self
        known = ~self.unknown[figure]
        return replace(
            self,
            values={name: values * known for name, values in self.values.items()},
            unknown={name: days & known for name, days in self.unknown.items() if name != figure},
        )

    def first_delivery(self, at: IntArray, lookback: int) -> IntArray:
        """Column of the first day with spend or impressions in the `lookback` days before each of `at`.

        (entities, dates); beyond the last column where there is none.
        """
        delivered = (self.values["impressions"] > 0) | (self.values["spend"] > 0)
        days = delivered.shape[1]
        next_day = np.where(delivered, np.arange(days)[None, :], days)
        upcoming = np.minimum.accumulate(next_day[:, ::-1], axis=1)[:, ::-1]
        return upcoming[:, np.maximum(at - lookback, 0)]

    def sampled(self) -> "LevelGrid":
        """The level with only the entities of its sample, for figures of a whole account."""
        return self if self.in_sample.all() else self.take(np.flatnonzero(self.in_sample))

    def take(self, rows: IntArray) -> "LevelGrid":
        """The level with only the given rows; groups keep their numbers."""
        return replace(
            self,
            keys=self.keys[rows],
            parent=Groups(self.parent.index[rows], self.parent.count),
            account=Groups(self.account.index[rows], self.account.count),
            values={name: values[rows] for name, values in self.values.items()},
            unknown={name: values[rows] for name, values in self.unknown.items()},
            in_sample=self.in_sample[rows],
            late=None if self.late is None else self.late.take(rows, self.keys.height),
        )


@dataclass(frozen=True)
class TreeGrid:
    """All levels from the campaign down to one level, over the same days."""

    start: dt.date
    days: int
    accounts: pl.DataFrame
    """config_id ..., sorted; row i is group i of every `account` grouping."""
    levels: dict[EntityType, LevelGrid]
    read_then: npt.NDArray[np.bool_] | None = None
    """(accounts, dates): where figures are those known on the morning after; None: nowhere."""

    def columns(self, dates: Sequence[dt.date]) -> IntArray:
        """Columns of the dates."""
        return np.array([(date - self.start).days for date in dates], dtype=np.int64)


def as_known_then(tree: TreeGrid, revisions: pl.DataFrame, total: int) -> TreeGrid:
    """The tree with windows of leads as they were known on the morning after each date.

    `revisions` in LEAD_REVISIONS; `total` dates are asked for at once. It holds for accounts that have
    revisions: the others were never read again.
    """
    known = revisions.join(tree.accounts.select("config_id"), on="config_id", how="semi")
    read_again = tree.accounts["config_id"].is_in(known["config_id"].unique().implode()).to_numpy()
    levels = {
        entity_type: replace(level, late=_late_leads(tree, level, known, total))
        for entity_type, level in tree.levels.items()
    }
    read_then = np.zeros((tree.accounts.height, total), dtype=np.bool_)
    read_then[read_again] = True
    return replace(tree, levels=levels, read_then=read_then)


def _late_leads(tree: TreeGrid, level: LevelGrid, revisions: pl.DataFrame, total: int) -> LateLeads:
    rows = level.keys.select("config_id", "entity_id", row=pl.int_range(pl.len()))
    late = (
        revisions.filter(pl.col("entity_type") == level.entity_type.value)
        .join(rows, on=["config_id", "entity_id"], how="inner")
        .select(
            "row",
            "leads",
            day=(pl.col("date") - tree.start).dt.total_days(),
            known=(pl.col("known_on") - tree.start).dt.total_days(),
        )
        .filter(pl.col("known") > pl.col("day"))
    )
    return LateLeads(
        *(late[name].to_numpy() for name in ("row", "day", "known", "leads")),
        total=total,
    )


def window_sum(
    values: npt.NDArray[np.integer | np.bool_], at: IntArray, days: int, shift: int = 0
) -> FloatArray:
    """Sums of (entities, days) over the `days` ending `shift` days before each column of `at`.

    Days before the grid count as 0. Few dates are summed one by one, many from a running total; integers,
    so both give the same.
    """
    end = np.maximum(at + 1 - shift, 0)
    start = np.maximum(at + 1 - shift - days, 0)
    if at.size <= FEW_DATES:
        columns = [values[:, first:last].sum(axis=1) for first, last in zip(start, end, strict=True)]
        return np.stack(columns, axis=1).astype(np.float64)
    total = np.zeros((values.shape[0], values.shape[1] + 1), dtype=np.int64, order="F")
    np.cumsum(values, axis=1, out=total[:, 1:], dtype=np.int64)
    return (total[:, end] - total[:, start]).astype(np.float64)


def in_order(parts: Iterable[FloatArray]) -> FloatArray:
    """The sum of arrays of one shape, added one after the other.

    numpy's own sum adds pairwise where the arrays hold a single number, so that one entity on one date would
    differ in the last digit from the same entity among others.
    """
    return reduce(np.add, parts)


def build_grid(
    metrics: pl.DataFrame,
    entities: pl.DataFrame,
    versions: pl.DataFrame,
    accounts: pl.DataFrame,
    lowest: EntityType,
    start: dt.date,
    end: dt.date,
) -> TreeGrid:
    """The tree from the campaigns down to `lowest` over the days [start, end].

    Entities are those with a row in `metrics` (schema `ENTITY_METRICS`) and those that are or by `versions`
    ever were active; one whose parent is unknown is left out.
    """
    days = (end - start).days + 1
    once_active = versions.filter(pl.col("fields").str.contains(f'(?i)"{ACTIVE}"'))
    accounts = accounts.sort("config_id")
    above = accounts.select("config_id", above=pl.lit("")).with_row_index("group")
    levels: dict[EntityType, LevelGrid] = {}
    for level in lowest.path:
        here = pl.col("entity_type") == level.value
        in_range = pl.col("date").is_between(start, end)
        rows = _rows_where(metrics.select(*_NEEDED, "entity_type"), here & in_range)
        rows = _runs_of_entities(rows.select(_NEEDED))
        known = entities.filter(here)
        keys = (
            _universe(rows, known, once_active.filter(here))
            .join(above, on=["config_id", "above"], how="inner")
            .sort("config_id", "entity_id")
        )
        levels[level] = _level_grid(
            level, keys, above.height, accounts, rows, start, days, _in_sample(keys, known)
        )
        above = keys.select("config_id", above="entity_id").with_row_index("group")
    return TreeGrid(start, days, accounts, levels)


def _rows_where(frame: pl.DataFrame, condition: pl.Expr) -> pl.DataFrame:
    """`frame.filter(condition)`, without a copy where the rows stand together, as those of a level do."""
    wanted = frame.select(condition).to_series().fill_null(value=False)
    count, first = int(wanted.sum()), wanted.arg_max() or 0
    if wanted.slice(first, count).all():
        return frame.slice(first, count)
    return frame.filter(wanted)


def _runs_of_entities(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of one level with `run`, the number of their entity in order of (config_id, entity_id).

    Frames come sorted from storage and from `conform_insights`, so the entities are found by comparing
    neighbours; others are sorted first.
    """

    def numbered(frame: pl.DataFrame) -> pl.DataFrame:
        starts = pl.any_horizontal(
            pl.col("config_id", "entity_id").ne_missing(pl.col("config_id", "entity_id").shift(1))
        )
        return frame.with_columns(run=starts.cum_sum().cast(pl.Int64) - 1)

    runs = numbered(rows)
    config, entity = pl.col("config_id"), pl.col("entity_id")
    rises = (config > config.shift(1)) | ((config == config.shift(1)) & (entity > entity.shift(1)))
    if _heads(runs).select(rises.fill_null(value=True).all()).item():
        return runs
    return numbered(rows.sort("config_id", "entity_id"))


def _heads(runs: pl.DataFrame) -> pl.DataFrame:
    """The first row of every entity."""
    return runs.filter(pl.col("run").ne_missing(pl.col("run").shift(1)))


def _universe(rows: pl.DataFrame, entities: pl.DataFrame, once_active: pl.DataFrame) -> pl.DataFrame:
    """The entities of a level to speak of: config_id, entity_id, parent_id, campaign_id, above, run.

    Those with rows, the active ones and those that have a version in `once_active`: on which days an entity
    without rows was active must not depend on what it is today. `run` is null for one without rows.
    """
    key = ["config_id", "entity_id"]
    is_active = pl.coalesce("effective_status", "status").str.to_uppercase() == ACTIVE
    columns = ["config_id", "entity_id", "parent_id", "campaign_id"]
    heads = _heads(rows).select(*columns, "run")
    without_rows = entities.join(heads, on=key, how="anti")
    live = pl.concat([without_rows.filter(is_active).select(key), once_active.select(key)]).unique()
    silent = without_rows.join(live, on=key, how="semi")
    return pl.concat([heads, silent.select(*columns, run=pl.lit(None, pl.Int64))]).with_columns(
        above=pl.col("parent_id").fill_null("")
    )


def _level_grid(
    level: EntityType,
    keys: pl.DataFrame,
    groups_above: int,
    accounts: pl.DataFrame,
    rows: pl.DataFrame,
    begin: dt.date,
    days: int,
    in_sample: npt.NDArray[np.bool_],
) -> LevelGrid:
    runs = int(rows["run"].max() or 0) + 1 if rows.height else 0  # type: ignore[arg-type]
    row_of_run = np.full(runs, -1, dtype=np.int64)
    placed = keys.with_row_index("row").filter(pl.col("run").is_not_null())
    row_of_run[placed["run"].to_numpy()] = placed["row"].to_numpy()
    row = row_of_run[rows["run"].to_numpy()]
    day = rows["date"].to_physical().to_numpy() - (begin - dt.date(1970, 1, 1)).days
    kept = row >= 0
    everything = bool(kept.all())
    flat = row * days + day if everything else (row * days + day)[kept]
    values: dict[str, npt.NDArray[np.integer]] = {}
    unknown: dict[str, npt.NDArray[np.bool_]] = {}
    for name in FIGURES:
        column = rows[name]
        if name == "spend":
            column = (column * MICROS).round().cast(pl.Int64)
        elif _fits(column):
            column = column.cast(pl.Int32)
        figures = column.fill_null(0).to_numpy()
        values[name] = _scatter(figures if everything else figures[kept], flat, keys.height, days)
        if column.null_count():
            absent = column.is_null().to_numpy()
            unknown[name] = _scatter(absent if everything else absent[kept], flat, keys.height, days).astype(
                np.bool_
            )
    values["rows"] = _scatter(np.ones(flat.size, dtype=np.int8), flat, keys.height, days)
    account_of = (
        keys.select("config_id")
        .join(
            accounts.select("config_id").with_row_index("account"),
            on="config_id",
            how="left",
            maintain_order="left",
        )
        .get_column("account")
        .cast(pl.Int64)
        .to_numpy()
    )
    return LevelGrid(
        entity_type=level,
        keys=keys.drop("group", "above", "run"),
        parent=Groups(keys["group"].cast(pl.Int64).to_numpy(), groups_above),
        account=Groups(account_of, accounts.height),
        values=values,
        unknown=unknown,
        in_sample=in_sample,
    )


def _in_sample(keys: pl.DataFrame, entities: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows are in the sample: by a hash of the id, so that it does not depend on the days asked for."""
    sizes = entities.group_by("config_id").agg(one_in=(pl.len() + SAMPLE - 1) // SAMPLE)
    return (
        keys.join(sizes, on="config_id", how="left", maintain_order="left")
        .select(pl.col("entity_id").hash(seed=0) % pl.col("one_in").fill_null(1).cast(pl.UInt64) == 0)
        .to_series()
        .to_numpy()
    )


def _fits(column: pl.Series) -> bool:
    """Whether a count fits half the memory. Sums and products are made of 64-bit integers all the same."""
    largest = column.max()
    return largest is None or int(largest) < MOST_SQUARED  # type: ignore[arg-type]


def _scatter(figures: npt.NDArray[Any], flat: IntArray, entities: int, days: int) -> npt.NDArray[Any]:
    """Figures at their place in a matrix (entities, days), laid out day by day: windows add whole days."""
    matrix = np.zeros(entities * days, dtype=figures.dtype)
    matrix[flat] = figures
    return np.asfortranarray(matrix.reshape(entities, days))
