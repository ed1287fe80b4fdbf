"""Several rows of one entity and day: parts of a breakdown, ads of one name, copies, contradictions."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from ml_assets.errors import UnreadableExportError
from ml_assets.sources.ads_manager.reading import HOW_TO_EXPORT, RawTable
from ml_assets.sources.checks import SortedRows, duplicate_checks, set_aside

ADDITIVE = ("spend", "impressions", "clicks", "link_clicks", "leads")
UNIQUE_COUNTS = ("reach", "frequency")

UNKNOWN_BREAKDOWN = 0.5
"""Share of rows that contradict an earlier one from which the file must be split by something else."""


def one_row_per_day(
    table: RawTable, frame: pl.DataFrame, key: str, *, is_keyed_by_name: bool, rejected_at: dt.datetime
) -> SortedRows:
    """Sums what is split by more than the day, and sets aside what stands twice.

    Columns of a breakdown (age, placement, ...): the additive figures are summed over it, reach and
    frequency become null, since people are counted once per part. Otherwise a copy of an earlier row is
    set aside. Rows that differ are summed where entities are known by name only, since two ads of one
    name cannot be told apart; where they have ids the first one stays and the others are set aside.
    Raises UnreadableExportError where most rows contradict others.
    """
    keys = [key, "date"]
    if not frame.select(keys).is_duplicated().any():
        return SortedRows(frame)
    source = table.path.name
    if table.headings.breakdowns:
        return SortedRows(
            _summed(frame, keys),
            warnings=(
                f"The file is also broken down by {', '.join(table.headings.breakdowns)}: the figures were "
                "added up to one row "
                "per day. Reach and frequency do not add up and were left out; export without this "
                "breakdown to have them.",
            ),
        )
    figures = [name for name in (*ADDITIVE, *UNIQUE_COUNTS) if name in frame.columns]
    marked, checks = duplicate_checks(frame, keys, figures)
    contradicting = marked.filter(checks[1].is_wrong).height
    if is_keyed_by_name:
        result = set_aside(
            marked, checks[:1], source=source, rejected_at=rejected_at, raw=table.as_it_stood()
        )
        warnings = (
            (
                f"{contradicting} rows share their names with another row of the same day and were added to "
                "it, since the file "
                f"has no ids to tell them apart. Add the ID columns to the export.",
            )
            if contradicting
            else ()
        )
        return SortedRows(_summed(result.kept, keys), result.rejected, warnings)
    if contradicting > UNKNOWN_BREAKDOWN * marked.height:
        known = table.headings.columns.values()
        unknown = [name for at, name in enumerate(table.headings.headings) if name and at not in known]
        raise UnreadableExportError(
            f"{table.path}: {contradicting} of {marked.height} rows contradict another row of the same "
            "entity and day, so the "
            "file is split by something besides the day (columns not understood: "
            f"{', '.join(unknown[:10]) or 'none'}). "
            f"{HOW_TO_EXPORT}."
        )
    return set_aside(marked, checks, source=source, rejected_at=rejected_at, raw=table.as_it_stood())


def _summed(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """One row per key: additive figures summed (null where all parts are), the rest from the first row."""
    additive = [name for name in ADDITIVE if name in frame.columns]
    unique_counts = [name for name in UNIQUE_COUNTS if name in frame.columns]
    rest = [name for name in frame.columns if name not in {*keys, *additive, *unique_counts}]
    return (
        frame.sort("line")
        .group_by(keys, maintain_order=True)
        .agg(
            *(pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in additive),
            *(pl.when(pl.len() == 1).then(pl.col(name).first()).alias(name) for name in unique_counts),
            *(pl.col(name).drop_nulls().first() for name in rest),
        )
        .select(frame.columns)
    )
