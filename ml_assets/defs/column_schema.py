"""The columns of an asset's table as the UI shows them. Types come from the frame schemas."""

from collections.abc import Mapping

import dagster as dg
import polars as pl

from ml_assets.frames import Schema

_TYPES: dict[type[pl.DataType], str] = {
    pl.Int64: "integer",
    pl.Float64: "double",
    pl.String: "text",
    pl.Boolean: "boolean",
    pl.Date: "date",
    pl.Datetime: "timestamp",
}


def column_schema(schema: Schema, docs: Mapping[str, str]) -> dg.TableSchema:
    """The columns of a table for the UI; a column without a line in `docs` has no description."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name=name, type=_TYPES.get(type(dtype), str(dtype)), description=docs.get(name))
            for name, dtype in schema.items()
        ]
    )
