"""Numbers, money, shares and dates as text in a language, for whole columns. No words live here.

Every function is an expression in, a text expression out; null stays null, so that a sentence whose number
is not known is not said.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

WITHOUT_CENTS = ("CLP", "COP", "CRC", "HUF", "IDR", "ISK", "JPY", "KRW", "PYG", "TWD", "VND")
"""Currencies whose amounts are told in whole units, as Meta does."""

ROUGH_FROM = 100.0
"""Estimates of money from here on are told without cents: they are not known to the cent."""

WHOLE_FROM = 10.0
"""Other estimates from here on are told without decimals."""


@dataclass(frozen=True)
class Locale:
    """How a language writes numbers."""

    thousands: str
    decimal: str
    percent: str
    """What follows the number of a share."""
    date_format: str
    """As `strftime` takes it."""
    day_format: str
    """The same for a day whose year goes without saying."""
    symbols: Mapping[str, str]
    """Currency code -> what stands before the amount; the code and a space where it is not listed."""


def whole(value: pl.Expr, locale: Locale) -> pl.Expr:
    """1234.4 -> 1,234."""
    return _written(value, 0, locale)


def estimate(value: pl.Expr, locale: Locale, *, plus: bool = False) -> pl.Expr:
    """One decimal where it says something: 12.3 -> 12, 3.14 -> 3.1, 3.04 -> 3. `plus`: 3 -> +3."""
    told = pl.when(value.abs() >= WHOLE_FROM - 0.05).then(value.round()).otherwise(value)
    return _written(told, 1, locale, plus=plus)


def share(value: pl.Expr, locale: Locale, *, plus: bool = False) -> pl.Expr:
    """0.2 -> 20%, 0.0312 -> 3.1%. `plus`: 0.2 -> +20%."""
    return estimate(value * 100.0, locale, plus=plus) + locale.percent


def rate(value: pl.Expr, locale: Locale) -> pl.Expr:
    """A share whose hundredths count, such as a CTR: 0.01234 -> 1.23%, 0.123 -> 12.3%."""
    percent = value * 100.0
    is_large = percent.abs() >= WHOLE_FROM - 0.005
    number = pl.when(is_large).then(_written(percent, 1, locale)).otherwise(_written(percent, 2, locale))
    return number + locale.percent


def probability(value: pl.Expr, locale: Locale) -> pl.Expr:
    """0.97654 -> 97.6%. Rounded down, so that nothing short of certain is called certain."""
    # a threshold such as 0.58 lies a hair below itself in binary, and must not be told as 57.9%
    told = (value * 1000.0 + 1e-6).floor() / 10.0
    nearly = pl.when(value < 1.0).then(told.clip(upper_bound=99.9)).otherwise(told)
    return _written(nearly, 1, locale) + locale.percent


def money(
    value: pl.Expr, currency: pl.Expr, locale: Locale, *, rough: bool = False, plus: bool = False
) -> pl.Expr:
    """An amount with its currency: 1234.5 -> R$ 1.234,50; 60 -> R$ 60. Cents only where there are any.

    `rough`: an estimate, without cents from `ROUGH_FROM` on. `plus`: 60 -> +R$ 60. No currency: the bare
    amount.
    """
    no_cents = currency.fill_null("").is_in(WITHOUT_CENTS)
    if rough:
        no_cents = no_cents | (value.abs() >= ROUGH_FROM)
    told = pl.when(no_cents).then(value.round()).otherwise(value)
    return _written(told, 2, locale, before=_before(currency, locale), plus=plus)


def date(value: pl.Expr, locale: Locale) -> pl.Expr:
    """A day."""
    return value.dt.strftime(locale.date_format)


def day(value: pl.Expr, locale: Locale) -> pl.Expr:
    """A day of the last months, without its year."""
    return value.dt.strftime(locale.day_format)


def _before(currency: pl.Expr, locale: Locale) -> pl.Expr:
    """What stands before an amount."""
    known = currency.replace_strict(
        list(locale.symbols), list(locale.symbols.values()), default=None, return_dtype=pl.String
    )
    return pl.coalesce(known, currency + " ", pl.lit(""))


def _written(
    value: pl.Expr, places: int, locale: Locale, *, before: pl.Expr | None = None, plus: bool = False
) -> pl.Expr:
    """Sign, `before`, and the number rounded to `places` with separators; no decimals where all are zero."""
    value = value.cast(pl.Float64)
    one = 10**places
    # what no integer holds is told as the machine writes it
    small = (value.abs() * one).round().cast(pl.Int64, strict=False)
    # every group of three from the right takes a separator; none is left over at the front
    units = (
        (small // one)
        .cast(pl.String)
        .str.reverse()
        .str.replace_all(r"(\d{3})", "${1}" + locale.thousands)
        .str.reverse()
        .str.strip_chars_start(locale.thousands)
    )
    text = units
    if places:
        rest = small % one
        text = (
            pl.when(rest == 0)
            .then(units)
            .otherwise(units + locale.decimal + rest.cast(pl.String).str.zfill(places))
        )
    sign = (
        pl.when(small == 0)
        .then(pl.lit(""))
        .when(value < 0)
        .then(pl.lit("-"))
        .otherwise(pl.lit("+" if plus else ""))
    )
    parts = [sign, text] if before is None else [sign, before, text]
    return pl.coalesce(pl.concat_str(parts), value.cast(pl.String))
