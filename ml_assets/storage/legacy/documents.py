"""The two JSON documents of the schema before: an entity's features and a forecast's predictions.

They were written by several programs over the years, so each document is read value by value with Python's
own parser, not by a typed one that would refuse a file for one odd value.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from ml_assets.frames import Schema

PERCENT = 100.0


def is_percentage(name: str) -> bool:
    """Whether the figure was kept in percent where today's is a fraction."""
    return name in {"ctr_7d", "conversion_rate_7d"} or name.endswith("_trend") or name.startswith("share_")


def _fraction(name: str, value: Any) -> Any:  # noqa: ANN401 - a JSON value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value / PERCENT if is_number and is_percentage(name) else value


def _percent(name: str, value: Any) -> Any:  # noqa: ANN401 - a JSON value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Fifteen digits undo the division: 0.07 was 7, not 7.000000000000001.
    return float(f"{value * PERCENT:.15g}") if is_number and is_percentage(name) else value


def _typed(value: Any, dtype: pl.DataType) -> Any:  # noqa: ANN401 - a JSON value
    """`value` as a value of the column, or None where it cannot be one."""
    if dtype == pl.Boolean():
        return value if isinstance(value, bool) else bool(value) if value in {0, 1} else None
    if dtype == pl.String():
        return value if isinstance(value, str) else None
    if dtype.is_numeric() and not isinstance(value, bool):
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        if dtype.is_float():
            return number if math.isfinite(number) else None
        return int(number) if number.is_integer() else None
    return None


def _load(text: str | None) -> Any:  # noqa: ANN401 - a JSON value
    if text is None:
        return None
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except ValueError:
        return {"unreadable": text}


def _dump(document: Mapping[str, Any]) -> str | None:
    return json.dumps(document, sort_keys=True) if document else None


def split_features(texts: pl.Series, columns: Schema) -> pl.DataFrame:
    """One typed column per feature in `columns`, as fractions, and `extra`: what has no column, as JSON."""

    def split(text: str | None) -> tuple[list[Any], str | None]:
        document = _load(text)
        if document is not None and not isinstance(document, dict):
            document = {"features": document}
        given = {name: _fraction(name, value) for name, value in (document or {}).items()}
        values = [_typed(given.get(name), dtype) for name, dtype in columns.items()]
        rest = {
            name: value
            for name, value in given.items()
            if value is not None and (name not in columns or _typed(value, columns[name]) is None)
        }
        return values, _dump(rest)

    parts = [split(text) for text in texts]
    frame = pl.DataFrame([values for values, _ in parts], schema=dict(columns), orient="row")
    return frame.with_columns(pl.Series("extra", [extra for _, extra in parts], dtype=pl.String))


def join_features(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """The JSON document of the typed columns that have a value and of `extra`, in percent."""

    def join(values: Iterable[Any], extra: str | None) -> str | None:
        rest = _load(extra) or {}
        named = {name: value for name, value in zip(columns, values, strict=True) if value is not None}
        merged = {**(rest if isinstance(rest, dict) else {"extra": rest}), **named}
        return _dump({name: _percent(name, value) for name, value in merged.items()})

    rows = frame.select(columns).rows()
    return pl.Series(
        "features",
        [join(row, extra) for row, extra in zip(rows, frame["extra"], strict=True)],
        dtype=pl.String,
    )


POINT_KEYS = ("date", "predicted_value", "confidence_lower", "confidence_upper")


def canonical_points(texts: pl.Series) -> pl.Series:
    """Predictions as a JSON list in one spelling: sorted by day, the last of a day, numbers or null."""

    def canonical(text: str | None) -> str | None:
        items = _load(text)
        days: dict[str, list[Any]] = {}
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and isinstance(item.get("date"), str):
                days[item["date"][:10]] = [_typed(item.get(key), pl.Float64()) for key in POINT_KEYS[1:]]
        points = [dict(zip(POINT_KEYS, [day, *values], strict=True)) for day, values in sorted(days.items())]
        return json.dumps(points) if points else None

    return pl.Series("points", [canonical(text) for text in texts], dtype=pl.String)


def encode_points(points: pl.DataFrame) -> pl.DataFrame:
    """(forecast_id, points) from the rows of `ml_forecast_points`, in the spelling of `canonical_points`.

    The interval of 80 % is what the schema before called confidence; where there is none, that of 95 %.
    """
    document = points.select(
        "forecast_id",
        pl.col("target_date").cast(pl.String).alias("date"),
        "predicted_value",
        pl.coalesce("lower_80", "lower_95").alias("confidence_lower"),
        pl.coalesce("upper_80", "upper_95").alias("confidence_upper"),
    ).sort("forecast_id", "date")
    lists = document.group_by("forecast_id", maintain_order=True).agg(
        pl.struct(POINT_KEYS).struct.json_encode().str.join(",").alias("points")
    )
    texts = canonical_points(lists.select("[" + pl.col("points") + "]")["literal"])
    return lists.select("forecast_id").with_columns(texts)


def decode_points(forecasts: pl.DataFrame) -> pl.DataFrame:
    """Rows of `ml_forecast_points` from (id, points)."""
    item = pl.Struct(
        {"date": pl.String, **dict.fromkeys(POINT_KEYS[1:], pl.Float64)},
    )
    return (
        forecasts.filter(pl.col("points").is_not_null())
        .select(pl.col("id").alias("forecast_id"), pl.col("points").str.json_decode(pl.List(item)))
        .explode("points")
        .unnest("points")
        .select(
            "forecast_id",
            pl.col("date").str.to_date("%Y-%m-%d", strict=False).alias("target_date"),
            "predicted_value",
            pl.col("confidence_lower").alias("lower_80"),
            pl.col("confidence_upper").alias("upper_80"),
        )
        .filter(pl.col("target_date").is_not_null())
    )
