"""How far the levels of an account add up on a day, against how far they usually do.

What follows from it is said in `ml_assets.anomalies.data_quality`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.metrics import MICROS

UNITS = {"spend": MICROS, "leads": 1}
"""Figures that are reconciled, as integers: a sum does not depend on the order of the rows."""

SIGMAS = 6.0
"""Standard deviations of its own past by which a share of an account has to jump."""

MAD_TO_SIGMA = 1.4826
"""From the median of absolute deviations to a normal standard deviation."""

_ACCOUNT_DAY = ["config_id", "date"]


@dataclass(frozen=True, kw_only=True)
class ReconciliationThresholds:
    """From when a difference between a level and the sum of its children is no longer the usual one.

    The share of a difference is (own - children) / the larger of both, -1 to 1.
    """

    history_days: int = 28
    least_days: int = 7
    """Days among them with both levels, without which nothing is usual."""
    spend_share: float = 0.10
    """Change of the account's share of spend against its median, at least."""
    leads_share: float = 0.25
    """The same of leads, which are few."""
    least_leads: int = 10
    """Leads that differ, at least."""
    entity_share: float = 0.25
    """Change of the share of one campaign or adset alone, of its spend."""
    entity_weight: float = 0.02
    """Share of the account's spend of the day that this is, at least."""


def reconcile(
    metrics: pl.DataFrame, dates: Sequence[dt.date], thresholds: ReconciliationThresholds
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The accounts' days, and the campaigns and adsets, that do not add up as they usually do.

    `metrics` in ENTITY_METRICS, all levels. The first frame has config_id, date, entity_type (the level whose
    children do not add up), figure, share, usual, jump; one row per day and level. A single parent among
    several does not make an account's day: that is how a deleted adset shows, whose rows Meta no longer
    delivers. The second has config_id, entity_type, entity_id, parent_id, date, own, children (in money),
    share, usual, score (standard deviations of the share, negative where children are missing) and is_flagged
    (its account's day is in the first frame for spend).

    A pair of levels is reconciled on days on which the upper one has rows of its own and the lower one has
    any. Only days before a date are its usual; where there are too few it adds up as it is.
    """
    accounts: list[pl.DataFrame] = []
    entities: list[pl.DataFrame] = []
    for level in LEVELS:
        if level.child is None:
            continue
        gaps = _gaps(metrics, level, level.child)
        for figure in UNITS:
            days = _account_days(gaps, dates, figure, thresholds)
            accounts.append(days.with_columns(entity_type=pl.lit(level.value), figure=pl.lit(figure)))
        entities.append(_entity_days(gaps, dates, accounts[-len(UNITS)], thresholds))
    first = pl.concat(accounts).unique([*_ACCOUNT_DAY, "entity_type"], keep="first", maintain_order=True)
    return first.sort(*_ACCOUNT_DAY, "entity_type"), pl.concat(entities)


def _gaps(metrics: pl.DataFrame, level: EntityType, child: EntityType) -> pl.DataFrame:
    """Per parent and day: own figure, the children's, their difference and the larger, as integers."""
    is_own = pl.col("delivered_level") == level.value
    rows = metrics.lazy().filter(pl.col("entity_type") == level.value)
    below = metrics.lazy().filter(pl.col("entity_type") == child.value).select(_ACCOUNT_DAY).unique()
    own_days = rows.filter(is_own).select(_ACCOUNT_DAY).unique()
    expressions: list[pl.Expr] = []
    for figure, unit in UNITS.items():
        value = _whole(pl.col(figure), unit)
        # Where no child of an own row is delivered, the whole row is the difference.
        residual = pl.when(is_own).then(_whole(pl.col(f"residual_{figure}"), unit).fill_null(value))
        expressions += [
            pl.when(is_own).then(value).otherwise(0).fill_null(0).alias(f"own_{figure}"),
            (value - residual.fill_null(0)).fill_null(0).alias(f"children_{figure}"),
            pl.col(f"residual_{figure}").is_not_null().alias(f"both_{figure}"),
        ]
    return (
        rows.join(own_days.join(below, on=_ACCOUNT_DAY), on=_ACCOUNT_DAY, how="semi", maintain_order="left")
        .select(*_ACCOUNT_DAY, "entity_type", "entity_id", "parent_id", is_own.alias("is_own"), *expressions)
        .with_columns(
            *(
                (pl.col(f"own_{figure}") - pl.col(f"children_{figure}")).alias(f"gap_{figure}")
                for figure in UNITS
            ),
            *(
                pl.max_horizontal(f"own_{figure}", f"children_{figure}").alias(f"larger_{figure}")
                for figure in UNITS
            ),
        )
        .collect(engine="streaming")
    )


def _whole(value: pl.Expr, unit: int) -> pl.Expr:
    return (value * unit).round().cast(pl.Int64)


def _account_days(
    gaps: pl.DataFrame, dates: Sequence[dt.date], figure: str, thresholds: ReconciliationThresholds
) -> pl.DataFrame:
    """(config_id, date) whose share jumped, with share, usual and jump."""
    gap, larger = pl.col(f"gap_{figure}"), pl.col(f"larger_{figure}")
    days = (
        gaps.group_by(_ACCOUNT_DAY)
        .agg(
            gap=gap.sum(),
            larger=larger.sum(),
            parents=(larger > 0).sum(),
            is_known=pl.col(f"both_{figure}").any(),
        )
        .filter(pl.col("larger") > 0)
        .with_columns(share=pl.col("gap") / pl.col("larger"))
    )
    least = thresholds.spend_share if figure == "spend" else thresholds.leads_share
    asked = days.filter(pl.col("date").is_in(list(dates)), pl.col("share").abs() > least)
    moved = (
        asked.join(_usual(days.filter("is_known"), asked, ["config_id"], thresholds), on=_ACCOUNT_DAY)
        .with_columns(
            jump=pl.col("share") - pl.col("usual"),
            bound=pl.max_horizontal(pl.lit(least), SIGMAS * pl.col("spread")),
        )
        .filter(
            # Away from adding up, not towards it.
            pl.col("jump") * pl.col("share").sign() > pl.col("bound"),
            pl.lit(figure == "spend") | (pl.col("gap").abs() >= thresholds.least_leads),
        )
    )
    sign = pl.col("jump").sign()
    rest = pl.col("share_of_rest") - pl.col("usual")
    return (
        moved.join(_without_largest(gaps, moved, figure), on=_ACCOUNT_DAY)
        .filter((pl.col("parents") == 1) | (rest * sign > pl.col("bound")))
        .select(*_ACCOUNT_DAY, "share", "usual", "jump")
    )


def _without_largest(gaps: pl.DataFrame, moved: pl.DataFrame, figure: str) -> pl.DataFrame:
    """`share_of_rest` of each moved day: its share without the parent that adds most to it."""
    gap, larger = pl.col(f"gap_{figure}"), pl.col(f"larger_{figure}")
    excess = (gap - pl.col("usual") * larger) * pl.col("jump").sign()
    return (
        gaps.join(moved.select(*_ACCOUNT_DAY, "usual", "jump"), on=_ACCOUNT_DAY)
        .sort(*_ACCOUNT_DAY, excess, "entity_id", descending=[False, False, True, False])
        .group_by(_ACCOUNT_DAY, maintain_order=True)
        .agg(rest_gap=gap.slice(1).sum(), rest=larger.slice(1).sum())
        .select(
            *_ACCOUNT_DAY,
            share_of_rest=pl.when(pl.col("rest") > 0)
            .then(pl.col("rest_gap") / pl.col("rest"))
            .otherwise(0.0),
        )
    )


def _usual(
    days: pl.DataFrame, asked: pl.DataFrame, by: list[str], thresholds: ReconciliationThresholds
) -> pl.DataFrame:
    """`usual` (median) and `spread` of the share in the days before each asked one.

    `days` has the columns `by`, date and share, `asked` those of `by` and date. No row where there are too
    few days.
    """
    age = (pl.col("date") - pl.col("past")).dt.total_days()
    share = pl.col("past_share")
    return (
        asked.select(*by, "date")
        .join(days.select(*by, past="date", past_share="share"), on=by)
        .filter(age.is_between(1, thresholds.history_days))
        .group_by(*by, "date")
        .agg(
            usual=share.median(),
            spread=MAD_TO_SIGMA * (share - share.median()).abs().median(),
            days=pl.len(),
        )
        .filter(pl.col("days") >= thresholds.least_days)
        .drop("days")
    )


def _entity_days(
    gaps: pl.DataFrame,
    dates: Sequence[dt.date],
    flagged: pl.DataFrame,
    thresholds: ReconciliationThresholds,
) -> pl.DataFrame:
    """Parents whose share of spend jumped: alone by much, on a day flagged for the account by less."""
    entity = ["config_id", "entity_id"]
    gap, larger, share = pl.col("gap_spend"), pl.col("larger_spend"), pl.col("share")
    marks = flagged.select(*_ACCOUNT_DAY, is_flagged=pl.lit(value=True))
    least = pl.when("is_flagged").then(thresholds.spend_share).otherwise(thresholds.entity_share)
    odd = (
        gaps.filter(pl.col("date").is_in(list(dates)), larger > 0)
        .with_columns(share=gap / larger, of_account=larger.sum().over(_ACCOUNT_DAY))
        .filter(share.abs() > thresholds.spend_share)
        .join(marks, on=_ACCOUNT_DAY, how="left")
        .with_columns(pl.col("is_flagged").fill_null(value=False))
        .filter(pl.col("is_flagged") | (gap.abs() >= thresholds.entity_weight * pl.col("of_account")))
    )
    past = (
        gaps.filter("both_spend", larger > 0)
        .join(odd, on=entity, how="semi")
        .with_columns(share=gap / larger)
    )
    sigma = pl.max_horizontal("spread", least / SIGMAS)
    return (
        odd.join(_usual(past, odd, entity, thresholds), on=[*entity, "date"], how="left")
        # On a flagged day one without a past of its own counts as adding up.
        .with_columns(
            usual=pl.when("is_flagged").then(pl.col("usual").fill_null(0.0)).otherwise("usual"),
            spread=pl.col("spread").fill_null(0.0),
        )
        .with_columns(score=(pl.col("usual") - share) / sigma)
        .filter(-pl.col("score") * share.sign() > SIGMAS)
        .select(
            *("config_id", "entity_type", "entity_id", "parent_id", "date", "is_flagged"),
            *("share", "usual", "score"),
            own=pl.col("own_spend") / MICROS,
            children=pl.col("children_spend") / MICROS,
        )
    )
