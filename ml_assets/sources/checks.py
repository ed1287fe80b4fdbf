"""Row checks shared by all sources: what cannot be right is set aside, what is odd is only told.

Polars expressions over a whole frame of insights. How a source reads its rows is not said here, and
nothing is written: rejected rows come out in `ml_assets.frames.REJECTED_ROWS`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from ml_assets.errors import NothingLoadableError
from ml_assets.frames import INSIGHTS, REJECTED_ROWS, empty, fill_missing

NOT_NEGATIVE = ("spend", "impressions", "reach", "frequency", "clicks", "link_clicks", "leads")
"""Figures of a row that a negative or non-finite value makes impossible."""

INSIGHT_KEY = ("entity_type", "entity_id", "date", "window_days")
"""What may stand only once in one delivery of one account."""


@dataclass(frozen=True)
class RowCheck:
    """A condition under which a row cannot be right.

    `is_wrong` is a boolean expression, where null counts as right; `reason` is a text expression or a
    text, read by a person.
    """

    is_wrong: pl.Expr
    reason: str | pl.Expr

    @property
    def verdict(self) -> pl.Expr:
        """The reason where the row is wrong, else null."""
        reason = pl.lit(self.reason) if isinstance(self.reason, str) else self.reason
        return pl.when(self.is_wrong.fill_null(value=False)).then(reason)


@dataclass(frozen=True)
class SortedRows:
    """Rows that can be loaded, rows set aside (REJECTED_ROWS), and sentences about odd ones."""

    kept: pl.DataFrame
    rejected: pl.DataFrame = field(default_factory=lambda: empty(REJECTED_ROWS))
    warnings: tuple[str, ...] = ()


def last_possible_date(now: dt.datetime) -> dt.date:
    """The last day that may have figures: tomorrow in UTC, since some zone is already there."""
    return now.astimezone(dt.UTC).date() + dt.timedelta(days=1)


def _shown(name: str) -> pl.Expr:
    """A figure as a person would write it: no `.0` behind a whole number."""
    return pl.col(name).cast(pl.String).str.strip_suffix(".0")


def figure_checks(columns: Sequence[str]) -> list[RowCheck]:
    """Checks of the figures that are among `columns`: finite, not negative, clicks within impressions."""
    present = [name for name in NOT_NEGATIVE if name in columns]
    checks = [
        check
        for name in present
        for check in (
            RowCheck(~pl.col(name).cast(pl.Float64).is_finite(), f"{name} is not a finite number"),
            RowCheck(
                pl.col(name).cast(pl.Float64).is_finite() & (pl.col(name) < 0),
                pl.format("{} is negative ({})", pl.lit(name), _shown(name)),
            ),
        )
    ]
    if {"link_clicks", "impressions"} <= set(present):
        checks.append(
            RowCheck(
                pl.col("link_clicks") > pl.col("impressions"),
                pl.format(
                    "link_clicks ({}) exceed impressions ({})",
                    _shown("link_clicks"),
                    _shown("impressions"),
                ),
            )
        )
    return checks


def date_checks(last_date: dt.date) -> list[RowCheck]:
    """Checks of `date`: it is there, and not after `last_date`."""
    return [
        RowCheck(pl.col("date").is_null(), "the row has no date"),
        RowCheck(
            pl.col("date") > last_date,
            pl.format("the date {} lies in the future", pl.col("date").dt.to_string("%Y-%m-%d")),
        ),
    ]


def duplicate_checks(
    frame: pl.DataFrame, key: Sequence[str], figures: Sequence[str], *, line: str | None = "line"
) -> tuple[pl.DataFrame, list[RowCheck]]:
    """`frame` with marker columns, and the two checks that read them: copies, then contradictions.

    The first row of a key stays. A later row with the same figures as an earlier one is a copy; one with
    other figures contradicts the first and is set aside too, since which one is right cannot be told.
    Rows with a null in their key are not compared. Order is that of `line` where given, else of the frame.
    """
    marked = (frame.sort(line) if line else frame).with_row_index("__row")
    # One equal to an earlier row is a copy of it even where that row contradicts the first.
    alike = [*key, *(name for name in figures if name not in key)]
    place = pl.col(line) if line else pl.col("__row") + 1
    marked = marked.with_columns(
        __has_key=pl.all_horizontal(pl.col(key).is_not_null()),
        __first=pl.col("__row").first().over(key),
        __first_alike=pl.col("__row").first().over(alike),
        __first_line=place.first().over(key),
        __alike_line=place.first().over(alike),
    )
    is_copy = pl.col("__has_key") & (pl.col("__row") != pl.col("__first_alike"))
    is_other = pl.col("__has_key") & ~is_copy & (pl.col("__row") != pl.col("__first"))
    where = "line" if line else "row"
    return marked, [
        RowCheck(
            is_copy,
            pl.format("duplicate key: the same row stands in {} {}", pl.lit(where), "__alike_line"),
        ),
        RowCheck(
            is_other,
            pl.format(
                "duplicate key: {} {} has other figures for the same entity and day",
                pl.lit(where),
                "__first_line",
            ),
        ),
    ]


def set_aside(
    frame: pl.DataFrame,
    checks: Sequence[RowCheck],
    *,
    source: str,
    rejected_at: dt.datetime,
    raw: pl.DataFrame | None = None,
    line: str = "line",
) -> SortedRows:
    """Splits `frame` into rows that pass every check and rows that do not.

    All reasons of a row are joined by "; " in the order of `checks`. `raw` holds the rows as they
    stood, with the column `line`; without it the columns of `frame` themselves are kept as JSON.
    `frame` without a column `line` gives rejected rows with a null line. Marker columns (`__...`)
    are dropped. Rejected rows have a null config_id until the account has its key.
    """
    if not checks:
        return SortedRows(frame)
    reasons = pl.concat_list([check.verdict for check in checks]).list.drop_nulls()
    marked = frame.with_columns(__reasons=reasons)
    is_right = pl.col("__reasons").list.len() == 0
    markers = [name for name in marked.columns if name.startswith("__")]
    kept = marked.filter(is_right).drop(markers)
    wrong = marked.filter(~is_right)
    if wrong.is_empty():
        return SortedRows(kept)
    rejected = wrong.select(
        pl.lit(None, pl.Int64).alias("config_id"),
        pl.lit(source).alias("source"),
        (pl.col(line).cast(pl.Int64) if line in wrong.columns else pl.lit(None, pl.Int64)).alias("line"),
        pl.struct(name for name in frame.columns if not name.startswith("__"))
        .struct.json_encode()
        .alias("raw"),
        pl.col("__reasons").list.join("; ").alias("reason"),
        pl.lit(rejected_at).dt.convert_time_zone("UTC").alias("rejected_at"),
    )
    if raw is not None:
        as_it_stood = raw.filter(pl.col(line).is_in(wrong[line].implode())).select(
            pl.col(line).cast(pl.Int64).alias("line"),
            pl.struct(pl.exclude(line)).struct.json_encode().alias("raw"),
        )
        rejected = rejected.drop("raw").join(as_it_stood, on="line", how="left")
    return SortedRows(kept, fill_missing(rejected, REJECTED_ROWS))


ODDITIES: tuple[tuple[str, str, str], ...] = (
    ("clicks", "impressions", "more clicks than impressions"),
    ("leads", "clicks", "more leads than clicks (view-through)"),
    ("reach", "impressions", "a reach above the impressions"),
)
"""(figure, figure it normally stays under, words): possible, so loaded and told."""


def odd_rows(frame: pl.DataFrame) -> tuple[str, ...]:
    """One sentence per kind of row that is odd but possible, with its count."""
    present = [odd for odd in ODDITIES if {odd[0], odd[1]} <= set(frame.columns)]
    if not present or frame.is_empty():
        return ()
    counts = frame.select(
        (pl.col(high) > pl.col(low)).sum().alias(words) for high, low, words in present
    ).row(0, named=True)
    return tuple(
        f"{count} of {frame.height} rows have {words}; they were loaded."
        for words, count in counts.items()
        if count
    )


def require_rows(kept: pl.DataFrame, rejected: pl.DataFrame, source: str) -> None:
    """Raises NothingLoadableError with the reasons and their counts where no row is left."""
    if kept.height:
        return
    if rejected.is_empty():
        raise NothingLoadableError(f"{source} holds no row with delivery, so there is nothing to load.")
    # Figures in a reason differ from row to row; without them equal causes fall together.
    common = (
        rejected.group_by(pl.col("reason").str.replace_all(r"[\d][\d.,:-]*", "…"))
        .len()
        .sort("len", "reason", descending=[True, False])
    )
    reasons = "; ".join(
        f"{count} x {reason}"
        for count, reason in zip(common["len"].head(5), common["reason"].head(5), strict=True)
    )
    raise NothingLoadableError(
        f"No row of {source} can be loaded; all {rejected.height} were set aside: {reasons}. Nothing was "
        "changed."
    )


def check_insights(
    frame: pl.DataFrame,
    *,
    source: str,
    now: dt.datetime,
    entities: pl.DataFrame | None = None,
    rejected_at: dt.datetime | None = None,
) -> SortedRows:
    """Every check over a frame of insights, for sources whose rows already have their types.

    `frame` has columns of INSIGHTS (missing ones count as null) and perhaps `line`. `entities`
    (entity_type, entity_id) makes an insight of an unknown entity an orphan. Kept rows come in the
    schema of INSIGHTS. Raises nothing: call `require_rows` where an empty result is an error.
    """
    line = "line" if "line" in frame.columns else None
    absent = [
        pl.lit(None, dtype).alias(name) for name, dtype in INSIGHTS.items() if name not in frame.columns
    ]
    rows = frame.with_columns(absent).with_columns(pl.col("window_days").fill_null(1))
    checks = [
        RowCheck(pl.col("entity_id").is_null() | (pl.col("entity_id") == ""), "the row names no entity"),
        *date_checks(last_possible_date(now)),
        *figure_checks(rows.columns),
    ]
    if entities is not None:
        known = (
            entities.select("entity_type", "entity_id").unique().with_columns(__is_known=pl.lit(value=True))
        )
        rows = rows.join(known, on=["entity_type", "entity_id"], how="left", maintain_order="left")
        checks.insert(
            1,
            RowCheck(
                pl.col("__is_known").is_null() & pl.col("entity_id").is_not_null(),
                pl.format("unknown {} {}", pl.col("entity_type"), pl.col("entity_id")),
            ),
        )
    single = set_aside(rows, checks, source=source, rejected_at=rejected_at or now)
    # Only rows that may be loaded compete for a key: a wrong one never pushes a right one out.
    figures = [*NOT_NEGATIVE, "actions"]
    versions = ["known_at"] if rows["known_at"].null_count() == 0 else []
    accounts = ["config_id"] if rows["config_id"].null_count() == 0 else []
    marked, repeated = duplicate_checks(single.kept, [*accounts, *INSIGHT_KEY, *versions], figures, line=line)
    result = set_aside(marked, repeated, source=source, rejected_at=rejected_at or now)
    rejected = pl.concat([single.rejected, result.rejected])
    return SortedRows(fill_missing(result.kept, INSIGHTS), rejected, odd_rows(result.kept))


def check_parents(entities: pl.DataFrame, *, source: str, rejected_at: dt.datetime) -> SortedRows:
    """Sets aside entities without a name of their own or whose parent is not among `entities`.

    `entities` is in the schema of ENTITIES. A campaign needs no parent. Children of an entity that was
    set aside are set aside with it.
    """
    adset, ad = pl.col("entity_type") == "adset", pl.col("entity_type") == "ad"
    campaigns = entities.filter(pl.col("entity_type") == "campaign")["entity_id"].implode()
    known_adsets = entities.filter(adset & pl.col("parent_id").is_in(campaigns))["entity_id"].implode()
    is_known = (
        pl.when(adset)
        .then(pl.col("parent_id").is_in(campaigns))
        .when(ad)
        .then(pl.col("parent_id").is_in(known_adsets))
    )
    return set_aside(
        entities,
        [
            RowCheck(pl.col("entity_id").is_null(), "the row names no entity"),
            RowCheck(
                (adset | ad) & ~is_known.fill_null(value=False),
                pl.format(
                    "orphan: the parent ({}) of {} {} is unknown",
                    pl.col("parent_id").fill_null("none"),
                    pl.col("entity_type"),
                    pl.col("entity_id"),
                ),
            ),
        ],
        source=source,
        rejected_at=rejected_at,
    )
