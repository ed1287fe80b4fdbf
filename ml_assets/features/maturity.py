"""Late leads: the share c(k) of a day's final leads that is visible k days later.

Leads of a day keep arriving for up to 28 days. The curve is learnt by the chain-ladder method (Mack 1993,
"Distribution-free calculation of the standard error of chain ladder reserve estimates") from how the totals
of past days grew between two readings, each step shrunk to a default curve by `PRIOR_LEADS` leads. It enters
as exposure, never as an inflated count: n_k ~ Poisson(rate * c(k)).
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.features.grid import FloatArray, IntArray, TreeGrid

LAST_AGE = 28
"""Age in days at which Meta freezes a day."""

PRIOR_LEADS = 50.0
"""Leads' worth of trust in each step of the default curve."""

LEARNING_DAYS = 90
"""Days of history a step is learnt from."""

_KNOTS = ((0, 0.72), (1, 0.86), (2, 0.91), (3, 0.935), (5, 0.96), (7, 0.975), (14, 0.99), (28, 1.0))

DEFAULT_CURVE: FloatArray = np.interp(
    np.arange(LAST_AGE + 1), [age for age, _ in _KNOTS], [share for _, share in _KNOTS]
)
"""Assumed c(0) ... c(28) until an account has history: most leads within a day, the rest in a week."""


@dataclass(frozen=True)
class Maturity:
    """How visible the leads of the days before each date are."""

    curve: FloatArray
    """c(k): (accounts, dates, 29), in (0, 1]."""
    age: IntArray
    """Days of age of the date itself when last read: (accounts, dates). Earlier days are older."""
    assumed: np.ndarray
    """(accounts, dates): the curve rests on the default rather than on the account's own history."""

    def read_next_morning(self, where: np.ndarray) -> "Maturity":
        """The same where the date itself was a day old at most when it was read: (accounts, dates)."""
        return replace(self, age=np.where(where, np.minimum(self.age, 1), self.age))

    def visible(self, lag: int) -> FloatArray:
        """Visible share of the day `lag` days before each date: (accounts, dates)."""
        age = np.clip(self.age + lag, 0, LAST_AGE)
        return np.take_along_axis(self.curve, age[:, :, None], axis=2)[:, :, 0]


def learn_maturity(
    tree: TreeGrid, metrics: pl.DataFrame, development: pl.DataFrame, at: IntArray
) -> Maturity:
    """The curve and ages as of each column of `at`, from days up to it and what its next morning knew.

    `development` is in the schema `LEAD_DEVELOPMENT`, `metrics` in `ENTITY_METRICS`; of it the campaigns
    are looked at, which every level's partition has. An account's figures are as old as its newest
    reading: a day that was read again without a change leaves no version behind. Without any `known_at`
    everything counts as final.
    """
    curve, assumed = _learnt_curves(tree, development, at)
    return Maturity(curve=curve, age=_age_when_read(tree, metrics, at), assumed=assumed)


def _age_when_read(tree: TreeGrid, metrics: pl.DataFrame, at: IntArray) -> IntArray:
    """Days between each date and the newest local day on which it or one of the 28 before was read."""
    zones = tree.accounts.select("config_id", pl.col("timezone").fill_null("UTC")).with_row_index("account")
    read = (
        metrics.filter(pl.col("entity_type") == EntityType.CAMPAIGN.value, pl.col("known_at").is_not_null())
        .group_by("config_id", "date")
        .agg(pl.col("known_at").max())
        .join(zones, on="config_id", how="inner")
    )
    days = np.full((tree.accounts.height, tree.days), np.iinfo(np.int64).min, dtype=np.int64)
    for (zone,), part in read.group_by("timezone"):  # a handful of zones, whatever the number of accounts
        local = part.select(
            "account",
            column=(pl.col("date") - tree.start).dt.total_days(),
            read_column=(
                pl.col("known_at").dt.convert_time_zone(str(zone)).dt.date() - tree.start
            ).dt.total_days(),
        ).filter(pl.col("column").is_between(0, tree.days - 1))
        days[local["account"].to_numpy(), local["column"].to_numpy()] = local["read_column"].to_numpy()
    newest = days[:, at]
    for lag in range(1, LAST_AGE + 1):
        newest = np.maximum(newest, np.where(at >= lag, days[:, np.maximum(at - lag, 0)], newest))
    return np.where(newest < 0, LAST_AGE, np.maximum(newest - at[None, :], 0))


def _learnt_curves(tree: TreeGrid, development: pl.DataFrame, at: IntArray) -> tuple[FloatArray, np.ndarray]:
    """c(k) as of each column of `at` and whether it is mostly assumed."""
    accounts = tree.accounts.height
    steps = np.zeros((2, accounts, tree.days + 1, LAST_AGE))  # leads at age k, and of the same days at k + 1
    seen = _growth_steps(tree, development)
    age = seen["age_days"].to_numpy()
    # A step is seen on the morning on which the day reaches the later age: that of the date `age` days on.
    seen_on = seen["column"].to_numpy() + age
    inside = seen_on < tree.days
    index = (seen["account"].to_numpy()[inside], seen_on[inside] + 1, age[inside])
    np.add.at(steps[0], index, seen["leads"].to_numpy()[inside])
    np.add.at(steps[1], index, seen["later"].to_numpy()[inside])
    running = np.cumsum(steps, axis=2)
    ages = np.arange(LAST_AGE)
    first = np.maximum(at[:, None] + 1 - LEARNING_DAYS + ages, 0)
    window = running[:, :, at + 1] - running[:, :, np.minimum(first, at[:, None] + 1), ages]
    default_growth = DEFAULT_CURVE[1:] / DEFAULT_CURVE[:-1]
    growth = (window[1] + PRIOR_LEADS * default_growth) / (window[0] + PRIOR_LEADS)
    growth[:, :, 0] = default_growth[0]  # a reading within the day lacks deliveries, not only leads
    curve = np.ones((accounts, at.size, LAST_AGE + 1))
    curve[:, :, :-1] = np.cumprod(1.0 / growth[:, :, ::-1], axis=2)[:, :, ::-1]
    return np.clip(curve, 0.05, 1.0), window[0][:, :, 1] < PRIOR_LEADS


def _growth_steps(tree: TreeGrid, development: pl.DataFrame) -> pl.DataFrame:
    """account, column, age_days, leads, later: the totals of a day at an age and one day of age later.

    Between two readings nothing changed, so a total holds until the next one. Each day's last row says up to
    which age it was looked at.
    """
    place = tree.accounts.select("config_id").with_row_index("account")
    read = (
        development.join(place, on="config_id", how="inner")
        .with_columns(column=(pl.col("date") - tree.start).dt.total_days())
        .filter(pl.col("column").is_between(0, tree.days - 1))
    )
    ages = pl.int_ranges("age_days", pl.min_horizontal("until", pl.lit(LAST_AGE)))
    return (
        read.sort("account", "column", "age_days")
        .with_columns(
            until=pl.col("age_days").shift(-1).over("account", "column"),
            following=pl.col("leads").shift(-1).over("account", "column"),
        )
        .filter(pl.col("until").is_not_null())
        .with_columns(age=ages)
        .explode("age")
        .filter(pl.col("age").is_not_null())
        .with_columns(later=pl.when(pl.col("age") + 1 < pl.col("until")).then("leads").otherwise("following"))
        .select("account", "column", age_days="age", leads="leads", later="later")
    )
