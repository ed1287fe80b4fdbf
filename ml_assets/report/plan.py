"""The plan of an account and a date, from the stored recommendations: what is issued and what is held back.

How it is drawn is in `ml_assets.report.tables`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.storage.overview import read_reach
from ml_assets.storage.recommendations import read_recommendations
from ml_assets.storage.tables import MLRecommendation

STANDING = ("active", "expired")
"""Status of a row that was issued and that nobody has acted upon; one of an earlier date is over by now."""


@dataclass(frozen=True)
class Plan:
    """The recommendations of an account on a date: `rows` as stored, best first, with `plan_reason`."""

    rows: pl.DataFrame
    is_within_reach: bool
    """Whether the account has recommendations of this date, or of dates before and after it."""

    @property
    def issued(self) -> pl.DataFrame:
        """What to do, first things first."""
        return self.rows.filter(pl.col("blocked_by").is_null(), pl.col("status").is_in(STANDING))

    @property
    def money_per_week(self) -> float:
        """What all that is issued is worth a week; what is not known counts as nothing."""
        return float(self.issued["money_per_week"].sum())

    @property
    def cost_of_waiting(self) -> float:
        """What a week without any of it costs."""
        return float(self.issued["cost_of_waiting"].sum())

    @property
    def over(self) -> int:
        """How many of the issued have expired since."""
        return self.issued.filter(pl.col("status") == "expired").height

    @property
    def below_the_fold(self) -> int:
        """How many the day's list had no room for."""
        return self.rows.filter(pl.col("plan_reason") == "below_the_fold").height

    @property
    def blocked(self) -> list[tuple[str, int]]:
        """Guards and how many each blocked, most first; the plan itself is not among them."""
        return (
            self.rows.filter(pl.col("blocked_by").is_not_null(), pl.col("blocked_by") != "plan")
            .group_by("blocked_by")
            .len()
            .sort("len", "blocked_by", descending=[True, False])
            .rows()
        )

    def acted_upon(self, status: str) -> int:
        """How many of the date were `applied` or `dismissed`."""
        return self.rows.filter(pl.col("status") == status).height


def read_plan(connection: sa.Connection, config_id: int, date: dt.date, levels: Sequence[EntityType]) -> Plan:
    """The plan as stored; without rows where nothing was recommended or the asset did not run."""
    return read_plans(connection, [config_id], date, levels)[config_id]


def read_plans(
    connection: sa.Connection, config_ids: Sequence[int], date: dt.date, levels: Sequence[EntityType]
) -> dict[int, Plan]:
    """config_id -> the plan of the account, as `read_plan` gives it."""
    reason = pl.col("reasoning").str.json_path_match("$.plan_reason")
    rows = read_recommendations(connection, config_ids, date, date, levels).with_columns(plan_reason=reason)
    reach = read_reach(connection, MLRecommendation, config_ids)
    within = set(reach.filter(pl.lit(date).is_between("first_date", "last_date"))["config_id"])
    own = rows.partition_by("config_id", as_dict=True)
    return {key: Plan(own.get((key,), rows.clear()), key in within) for key in config_ids}
