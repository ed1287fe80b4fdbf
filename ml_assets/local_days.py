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


def local_clock(moment: pl.Expr, timezone: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """What the account's clock shows at each moment, date and time without a zone."""
    return pl.coalesce(
        pl.lit(None, dtype=pl.Datetime("us")),
        *(
            pl.when(timezone == zone).then(moment.dt.convert_time_zone(zone).dt.replace_time_zone(None))
            for zone in zones
        ),
    )


def moment_of(clock: pl.Expr, timezone: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """The moment (UTC) at which the account's clock shows date and time `clock` (`Datetime` without a zone).

    A time that the clock jumps over is an hour later by the clock; of one that comes twice the first counts.
    """

    def in_zone(zone: str) -> pl.Expr:
        def at(naive: pl.Expr) -> pl.Expr:
            return naive.dt.replace_time_zone(zone, non_existent="null", ambiguous="earliest")

        return pl.coalesce(at(clock), at(clock.dt.offset_by("1h"))).dt.convert_time_zone("UTC")

    return pl.coalesce(
        pl.lit(None, dtype=pl.Datetime("us", "UTC")),
        *(pl.when(timezone == zone).then(in_zone(zone)) for zone in zones),
    )


def day_start(day: pl.Expr, timezone: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """The moment (UTC) at which each account-local day begins; at the first of two midnights."""
    return moment_of(day.cast(pl.Datetime("us")), timezone, zones)


def day_end(day: pl.Expr, timezone: pl.Expr, zones: Sequence[str]) -> pl.Expr:
    """The moment (UTC) at which each account-local day ends, that is the next day's midnight."""
    return day_start(day.dt.offset_by("1d"), timezone, zones)
