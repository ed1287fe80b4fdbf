"""Public holidays of the countries that accounts are in, as their time zones say."""

import datetime as dt
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import holidays
import numpy as np
import polars as pl


def is_holiday(accounts: pl.DataFrame, dates: Sequence[dt.date]) -> np.ndarray:
    """(accounts, dates): a national holiday where the account is; never where no country is known."""
    zones = accounts["timezone"].fill_null("UTC").to_list()
    years = frozenset(date.year for date in dates)
    by_zone = {
        zone: np.array([date in _holidays(zone, years) for date in dates], dtype=bool) for zone in set(zones)
    }
    return np.stack([by_zone[zone] for zone in zones]) if zones else np.zeros((0, len(dates)), dtype=bool)


@cache
def _holidays(zone: str, years: frozenset[int]) -> frozenset[dt.date]:
    country = _countries().get(zone)
    if country is None or country not in holidays.list_supported_countries(include_aliases=False):
        return frozenset()
    return frozenset(holidays.country_holidays(country, years=sorted(years)))


@cache
def _countries() -> dict[str, str]:
    """Time zone -> ISO 3166 country, by the table that comes with the time zones."""
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if line and not line.startswith("#")]
    return {row[2]: row[0] for row in rows}
