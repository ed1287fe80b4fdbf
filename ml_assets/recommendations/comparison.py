"""What a policy issued over some dates, how steady it was, and where two policies differ.

Frames of decisions in (columns of `DECISIONS`), frames out. Whether it was right is asked in `regret`.
"""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from ml_assets.frames import KEY, Schema, conform, fill_missing

FLIP_DAYS = 7
"""A recommendation that is withdrawn and given again within so many days of its last date has flipped."""

ADVICE = (*KEY, "recommendation_type")
"""What makes a piece of advice, whatever the date."""

ISSUED_CASES: Schema = {
    **KEY,
    "recommendation_type": pl.String(),
    "first_date": pl.Date(),
    "last_date": pl.Date(),
    "dates": pl.Int64(),
    "withdrawn_on": pl.Date(),  # first date on which it no longer stood; null: it stood to the end
    "given_again_on": pl.Date(),  # null: not within FLIP_DAYS of last_date
    "is_flip": pl.Boolean(),
}
"""One row per stretch of dates on which the same advice stood."""

SUMMARY: Schema = {
    "entity_type": pl.String(),
    "recommendation_type": pl.String(),
    "recommendations": pl.Int64(),  # rows: one per entity, type and date
    "cases": pl.Int64(),
    "entities": pl.Int64(),
    "flips": pl.Int64(),
    "flip_share": pl.Float64(),  # of the cases
    "money_per_week": pl.Float64(),  # promised by what stood on a date, mean over the dates
}
"""One row per level and type; both null in the row of the total."""

ONLY_A, ONLY_B, BOTH = "A", "B", "both"

DIFFERENCES: Schema = {
    **KEY,
    "recommendation_type": pl.String(),
    "issued_under": pl.String(),  # A, B, or both (but on other dates)
    "dates_a": pl.Int64(),  # under A only
    "dates_b": pl.Int64(),  # under B only
    "dates_both": pl.Int64(),
    "first_date": pl.Date(),
    "last_date": pl.Date(),
    "blocked_by": pl.String(),  # why the other policy did not issue it; null: its rule was not in force
    "probability": pl.Float64(),  # these are of its newest date
    "cpl": pl.Float64(),
    "target_cpl": pl.Float64(),
    "leads": pl.Int64(),
    "expected_leads": pl.Float64(),
    "money_per_week": pl.Float64(),
}
"""One row per piece of advice that does not stand on the same dates under both policies."""

_SHOWN = ("probability", "cpl", "target_cpl", "leads", "expected_leads", "money_per_week")


def issued(decisions: pl.DataFrame) -> pl.DataFrame:
    """The decisions a person is shown: not blocked, and not found done already."""
    return decisions.filter(pl.col("blocked_by").is_null() & pl.col("detected_at").is_null())


def flips(issued: pl.DataFrame, dates: Sequence[dt.date] | None = None) -> pl.DataFrame:
    """The cases among issued recommendations and whether each was withdrawn and soon given again.

    `issued` needs KEY, recommendation_type and recommendation_date, one row per date on which the advice
    stood; its order does not matter. `dates` are those that were decided, by default every day from the first
    to the last one in `issued`: a date that nobody decided ends no case. Returns `ISSUED_CASES`, sorted by
    advice and first date.

    A case flips when the next one of the same advice begins within `FLIP_DAYS` of the last date on which it
    stood. Cases that end within the last days cannot be seen to flip.
    """
    first, last = issued["recommendation_date"].min(), issued["recommendation_date"].max()
    if not isinstance(first, dt.date) or not isinstance(last, dt.date):
        return pl.DataFrame(schema=dict(ISSUED_CASES))
    days = pl.Series(dates, dtype=pl.Date) if dates is not None else pl.date_range(first, last, eager=True)
    decided = (
        pl.DataFrame({"recommendation_date": days.unique().sort()})
        .with_row_index("place")
        .with_columns(pl.col("place").cast(pl.Int64), next_date=pl.col("recommendation_date").shift(-1))
    )
    cases = (
        issued.select(*ADVICE, "recommendation_date")
        .unique()
        .join(decided, on="recommendation_date", how="inner")
        .sort(*ADVICE, "recommendation_date")
        .with_columns(begins=(pl.col("place").diff().over(ADVICE) != 1).fill_null(value=True))
        .with_columns(case=pl.col("begins").cum_sum().over(ADVICE))
        .group_by(*ADVICE, "case", maintain_order=True)
        .agg(
            first_date=pl.col("recommendation_date").first(),
            last_date=pl.col("recommendation_date").last(),
            dates=pl.len(),
            withdrawn_on=pl.col("next_date").last(),
        )
        .with_columns(again=pl.col("first_date").shift(-1).over(ADVICE))
        .with_columns(
            is_flip=((pl.col("again") - pl.col("last_date")).dt.total_days() <= FLIP_DAYS).fill_null(
                value=False
            )
        )
        .with_columns(given_again_on=pl.when("is_flip").then("again"))
    )
    return conform(cases, ISSUED_CASES)


def summarise(issued: pl.DataFrame, dates: Sequence[dt.date]) -> pl.DataFrame:
    """What was issued over `dates`, per level and type, with a last row for all of it (`SUMMARY`).

    `issued` needs KEY, recommendation_type, recommendation_date and money_per_week.
    """
    cases = flips(issued, dates)
    entity = pl.struct("config_id", "entity_type", "entity_id").n_unique()
    rows = {
        "recommendations": pl.len(),
        "entities": entity,
        "money_per_week": pl.col("money_per_week").sum() / max(len(set(dates)), 1),
    }
    counted = {"cases": pl.len(), "flips": pl.col("is_flip").sum(), "flip_share": pl.col("is_flip").mean()}
    group = ["entity_type", "recommendation_type"]
    by_type = issued.group_by(group).agg(**rows).join(cases.group_by(group).agg(**counted), on=group)
    total = pl.concat([issued.select(**rows), cases.select(**counted)], how="horizontal")
    return pl.concat([conform(by_type, SUMMARY).sort(group), fill_missing(total, SUMMARY)])


def differences(decisions_a: pl.DataFrame, decisions_b: pl.DataFrame) -> pl.DataFrame:
    """The advice that does not stand on the same dates under two policies, in `DIFFERENCES`.

    Both in `DECISIONS`, of the same dates, blocked rows included: they tell why the other policy is silent.
    The advice with the most money at stake comes first: its money a week times the dates that differ.
    """
    sides = [
        issued(decisions).select(
            *ADVICE, "recommendation_date", *_SHOWN, pl.lit(value=True).alias(f"in_{name}")
        )
        for name, decisions in (("a", decisions_a), ("b", decisions_b))
    ]
    day = [*ADVICE, "recommendation_date"]
    both = (
        sides[0]
        .join(sides[1], on=day, how="full", coalesce=True, suffix="_b")
        .with_columns(
            pl.col("in_a", "in_b").fill_null(value=False),
            *(pl.coalesce(name, f"{name}_b").alias(name) for name in _SHOWN),
        )
    )
    in_a, in_b = pl.col("in_a"), pl.col("in_b")
    per_advice = (
        both.sort(*day)
        .group_by(ADVICE, maintain_order=True)
        .agg(
            dates_a=(in_a & ~in_b).sum(),
            dates_b=(in_b & ~in_a).sum(),
            dates_both=(in_a & in_b).sum(),
            first_date=pl.col("recommendation_date").first(),
            last_date=pl.col("recommendation_date").last(),
            **{name: pl.col(name).last() for name in _SHOWN},
        )
        .filter(pl.col("dates_a") + pl.col("dates_b") > 0)
        .with_columns(
            issued_under=pl.when(pl.col("dates_both") + pl.col("dates_b") == 0)
            .then(pl.lit(ONLY_A))
            .when(pl.col("dates_both") + pl.col("dates_a") == 0)
            .then(pl.lit(ONLY_B))
            .otherwise(pl.lit(BOTH))
        )
        .join(_usual_guard(decisions_a, both.filter(~in_a)), on=ADVICE, how="left")
        .join(_usual_guard(decisions_b, both.filter(~in_b)), on=ADVICE, how="left", suffix="_b")
        .with_columns(pl.coalesce("blocked_by", "blocked_by_b").alias("blocked_by"))
        .with_columns(
            stake=(pl.col("money_per_week").abs().fill_null(0.0) * (pl.col("dates_a") + pl.col("dates_b")))
        )
        .sort("stake", *ADVICE, descending=[True, False, False, False, False])
    )
    return conform(per_advice, DIFFERENCES)


def _usual_guard(decisions: pl.DataFrame, silent: pl.DataFrame) -> pl.DataFrame:
    """ADVICE, blocked_by: the guard that most often kept advice from being issued on the rows of `silent`."""
    return (
        decisions.filter(pl.col("blocked_by").is_not_null())
        .join(silent.select(*ADVICE, "recommendation_date"), on=[*ADVICE, "recommendation_date"], how="semi")
        .group_by(*ADVICE, "blocked_by")
        .len()
        .sort("len", "blocked_by", descending=[True, False])
        .unique(ADVICE, keep="first", maintain_order=True)
        .drop("len")
    )
