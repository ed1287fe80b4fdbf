"""Between moments (UTC) and days of an account's own calendar, for whole columns of many time zones."""

from collections.abc import Sequence

import polars as pl


def zones_of(accounts: pl.DataFrame) -> list[str]:
    """The distinct time zones of an accounts frame; UTC stands in for an unknown one."""
    return accounts["timezone"].fill_null("UTC").unique().sort().to_list()


def local_date(moment: pl.Expr, timezone: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """The account-local day of each moment; `zones` lists every value of `timezone`."""
    return pl.coalesce(
        pl.lit(None, dtype=pl.Date),
        *(pl.when(timezone == zone).then(moment.dt.convert_time_zone(zone).dt.date()) for zone in zones),
    )


def day_end(day: pl.Expr, timezone: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """The moment (UTC) at which each account-local day ends, that is the next day's midnight.

    Where clocks jump over midnight the day ends an hour later by the clock; where midnight comes
    twice, at the first one.
    """
    midnight = day.dt.offset_by("1d").cast(pl.Datetime("us"))

    def end(zone: str) -> pl.Expr:
        def at(naive: pl.Expr) -> pl.Expr:
            return naive.dt.replace_time_zone(zone, non_existent="null", ambiguous="earliest")

        return pl.coalesce(at(midnight), at(midnight.dt.offset_by("1h"))).dt.convert_time_zone("UTC")

    return pl.coalesce(
        pl.lit(None, dtype=pl.Datetime("us", "UTC")),
        *(pl.when(timezone == zone).then(end(zone)) for zone in zones),
    )
