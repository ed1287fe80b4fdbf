"""The `attribution` document of an incident, read into columns. It is written where incidents are made."""

import polars as pl

SERIES_POINT = pl.Struct(
    {
        "date": pl.String(),
        "observed": pl.Float64(),
        "expected": pl.Float64(),
        "lower": pl.Float64(),
        "upper": pl.Float64(),
    }
)

ATTRIBUTION = pl.Struct(
    {
        "metric": pl.String(),
        "direction": pl.String(),
        "observed": pl.Float64(),
        "expected": pl.Float64(),
        "money_today": pl.Float64(),  # at stake on the evaluated date, account currency
        "metrics": pl.Struct(
            {name: pl.Float64() for name in ("spend", "cpm", "ctr", "cvr", "cpl")}
        ),  # ln of observed against expected
        "rate_mix": pl.Struct({"rate": pl.Float64(), "mix": pl.Float64()}),  # shares, sum 1
        "shares": pl.List(
            pl.Struct({"entity_type": pl.String(), "entity_id": pl.String(), "share": pl.Float64()})
        ),
        "affected": pl.Int64(),
        "is_provisional": pl.Boolean(),  # the evaluated day still ran
        "merged_into": pl.String(),  # incident_id of the larger one it turned out to be part of
        "series": pl.List(SERIES_POINT),  # of the root's metric, up to the evaluated date
    }
)
"""The keys that are read back; a key that is missing reads as null, others are left alone."""

_NUMBERS = ("observed", "expected", "money_today")


def read_attribution(incidents: pl.DataFrame) -> pl.DataFrame:
    """The columns of ATTRIBUTION for each row of `incidents` (INCIDENTS), in its order.

    Numbers that are infinite or not a number read as null. A row without a document is null throughout.
    """
    columns = incidents.select(pl.col("attribution").str.json_decode(ATTRIBUTION)).unnest("attribution")
    return columns.with_columns(pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name in _NUMBERS)


def read_series(incidents: pl.DataFrame) -> pl.DataFrame:
    """The series of every row of `incidents` (INCIDENTS): `row` (its index) and the fields of SERIES_POINT.

    Sorted by row and date; null where a day has no value.
    """
    return (
        read_attribution(incidents)
        .select("series")
        .with_row_index("row")
        .explode("series")
        .drop_nulls("series")
        .unnest("series")
        .with_columns(pl.col("date").str.to_date("%Y-%m-%d"))
        .sort("row", "date")
    )
