"""What a run reports about each partition it wrote: counts, figures that plot over time, and a preview.

A materialization is one event per partition whatever the run, and storing events is most of what Dagster
adds to a range run; so a partition's event carries its own figures and first rows, and what is the same for
all of them, the column schema, stands once in the asset's definition.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl
import polars.selectors as cs

from ml_assets.defs.column_schema import column_schema
from ml_assets.defs.keys import RunKeys, partition_key
from ml_assets.defs.scope import RESTRICTED_TAG, Scope
from ml_assets.frames import Schema

PREVIEW_ROWS = 5
FIGURE_DECIMALS = 6

NO_FIGURES = "no entity has figures in the time these partitions look at"
"""Why partitions of most assets have no rows."""

MAX_SCHEMA_PARTITIONS = 3
"""A run of so few partitions repeats the column schema in its events."""


def table_metadata(table: str, schema: Schema, docs: Mapping[str, str]) -> dict[str, Any]:
    """Metadata of an asset's definition: the table it is stored in and its columns."""
    return {"dagster/table_name": table, "dagster/column_schema": column_schema(schema, docs)}


def report(
    context: dg.AssetExecutionContext,
    scope: Scope,
    rows: pl.DataFrame,
    *,
    date_column: str,
    figures: Mapping[str, pl.Expr],
    table_rows: int,
    entities: pl.DataFrame | None = None,
    preview: Sequence[str] = (),
    preview_by: str = "entity_id",
    tables: Mapping[tuple[str, dt.date], Mapping[str, dg.MetadataValue]] | None = None,
    notes: Sequence[str] = (),
    common: Mapping[str, int | float | str] | None = None,
    if_empty: str = NO_FIGURES,
) -> dg.MaterializeResult:
    """The result of a run, with metadata of its own for each partition.

    `rows` are the rows written for all partitions, `figures` aggregate those of one. `preview` names the
    columns of the preview table beside the name (from `entities`) and id; its rows are the largest by
    `preview_by`. `tables` (level and date -> name -> table) stand before the figures; without `entities`
    there is no preview. `notes` are sentences, `common` is the same for all partitions of the run,
    `if_empty` says why a partition may have no rows. `table_rows` counts the whole table.
    """
    keys = scope.keys
    group = ["entity_type", date_column]
    counted = (
        rows.group_by(group)
        .agg(pl.len().alias("dagster/partition_row_count"), *(expr.alias(n) for n, expr in figures.items()))
        .with_columns(cs.float().round(FIGURE_DECIMALS))
        .rows_by_key(group, named=True, unique=True)
    )
    largest = {} if entities is None else _largest(rows, group, preview_by, entities)
    for level, dates in keys.dates.items():
        for date in dates:
            found = counted.get((level.value, date), {"dagster/partition_row_count": 0})
            metadata = dict((tables or {}).get((level.value, date), {}))
            metadata |= {name: value for name, value in found.items() if value is not None}
            metadata |= _preview(largest.get((level.value, date)), preview)
            context.add_asset_metadata(metadata, partition_key=partition_key(date, level))
    lines = [*notes, *scope.left_out, *_empty_days(keys, counted, if_empty)]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": table_rows,
            **(common or {}),
            **({"notes": dg.MetadataValue.md("\n".join(f"- {line}" for line in lines))} if lines else {}),
            **_schema_of_few(context, keys),
        },
        tags={RESTRICTED_TAG: "true"} if scope.restriction.is_restricted else None,
    )


def markdown_table(frame: pl.DataFrame) -> str:
    """`frame` as a Markdown table; floats to four significant digits, nulls as an empty cell."""
    shown = frame.select(
        (pl.col(name).round_sig_figs(4).cast(pl.String) if dtype.is_float() else pl.col(name).cast(pl.String))
        .fill_null("")
        .str.replace_all("|", "\\|", literal=True)
        for name, dtype in frame.schema.items()
    )
    lines = shown.select(pl.format("| {} |", pl.concat_str(shown.columns, separator=" | "))).to_series()
    header = f"| {' | '.join(shown.columns)} |"
    rule = "|" + "---|" * shown.width
    return "\n".join([header, rule, *lines])


def _largest(
    rows: pl.DataFrame, group: Sequence[str], by: str, entities: pl.DataFrame
) -> dict[tuple[object, ...], pl.DataFrame]:
    """Level and date -> the rows that the preview shows, with their names."""
    return (
        rows.sort(by, "entity_id", descending=[True, False], nulls_last=True)
        .group_by(group, maintain_order=True)
        .head(PREVIEW_ROWS)
        .join(
            entities.select("config_id", "entity_type", "entity_id", "name"),
            on=["config_id", "entity_type", "entity_id"],
            how="left",
            maintain_order="left",
        )
        .partition_by(group, as_dict=True)
    )


def _preview(rows: pl.DataFrame | None, columns: Sequence[str]) -> dict[str, dg.MetadataValue]:
    if rows is None or rows.is_empty():
        return {}
    return {"preview": dg.MetadataValue.md(markdown_table(rows.select("name", "entity_id", *columns)))}


def _empty_days(keys: RunKeys, counted: Mapping[object, object], reason: str) -> list[str]:
    empty = sum((level.value, date) not in counted for level, dates in keys.dates.items() for date in dates)
    if not empty:
        return []
    if empty == keys.partition_count:
        return [f"{reason[:1].upper()}{reason[1:]}, so there are no rows."]
    return [f"{empty} of {keys.partition_count} partitions have no rows: {reason}."]


def _schema_of_few(context: dg.AssetExecutionContext, keys: RunKeys) -> dict[str, Any]:
    if keys.partition_count > MAX_SCHEMA_PARTITIONS:
        return {}
    defined = context.assets_def.metadata_by_key[context.asset_key]
    names = ("dagster/column_schema", "dagster/table_name")
    return {name: defined[name] for name in names if name in defined}
