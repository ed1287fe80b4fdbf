"""Sums of daily figures over the last days of each date, with a row for every entity and date."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

ENTITY = ("entity_type", "entity_id")

LEAST_SPEND = 0.005
"""Less than a cent is no spend: what running sums leave behind."""


def on_every_day(daily: pl.DataFrame, first: dt.date, last: dt.date, figures: Sequence[str]) -> pl.DataFrame:
    """`daily` with a row for each of its entities on each day of [first, last], zeros where it had none.

    `daily` has entity_type, entity_id, date and `figures`. Sorted by entity and date.
    """
    days = pl.DataFrame({"date": pl.date_range(first, last, eager=True)})
    return (
        daily.select(ENTITY)
        .unique()
        .join(days, how="cross")
        .join(daily.select(*ENTITY, "date", *figures), on=[*ENTITY, "date"], how="left")
        .with_columns(pl.col(*figures).cast(pl.Float64).fill_null(0.0))
        .sort(*ENTITY, "date")
    )


def last_days(figure: str | pl.Expr, days: int, shift: int = 0) -> pl.Expr:
    """Sum of a figure over the `days` ending `shift` days before each row of `on_every_day`; never negative.

    A negative shift looks ahead; null where the rows do not reach that far ahead.
    """
    column = pl.col(figure) if isinstance(figure, str) else figure
    summed = column.rolling_sum(days, min_samples=1)
    return (summed.shift(shift) if shift else summed).over(ENTITY).clip(lower_bound=0.0)
