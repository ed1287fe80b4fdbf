"""How often advice is wrong, what it finds, and whether it stands: counts with their binomial interval.

Frames: `advice` is in DECISIONS with `account` in front (blocked rows included), `panel` is the truth of
`truth.make_panel` with `account` in front. Nothing is printed here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

ENTITY = ("account", "entity_type", "entity_id")
CASE = (*ENTITY, "recommendation_type")

TOO_DEAR = ("PAUSE", "BUDGET_DECREASE")
CHEAP = ("SCALE_UP", "BUDGET_INCREASE")

BACK_WITHIN_DAYS = 7
"""A case that is given again within so many days of its last date flipped."""

STABLE_LOW, STABLE_HIGH = 0.8, 1.2
"""Band around T, as multiples of T, in which an entity is called stable."""

HOPELESS, SPLENDID = 2.0, 0.7
"""Multiples of T beyond which an entity should be found."""

HOPELESS_EXPECTED, SPLENDID_EXPECTED = 5.0, 10.0
"""Expected leads e in the 14 days from which it should be."""


@dataclass(frozen=True)
class Rate:
    """A count out of a number, with its 95 % Wilson interval (Wilson 1927)."""

    hits: int
    of: int

    @property
    def share(self) -> float:
        """Hits / of; NaN of nothing."""
        return self.hits / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval; (0, 1) of nothing."""
        if not self.of:
            return 0.0, 1.0
        z = 1.959964
        scale = 1.0 + z * z / self.of
        middle = (self.share + z * z / (2 * self.of)) / scale
        half = z / scale * math.sqrt(self.share * (1 - self.share) / self.of + (z / (2 * self.of)) ** 2)
        return max(middle - half, 0.0), min(middle + half, 1.0)

    def __str__(self) -> str:
        if not self.of:
            return "0 / 0"
        low, high = (100 * end for end in self.interval)
        return f"{self.hits} / {self.of} = {100 * self.share:.1f} % ({low:.1f}-{high:.1f})"


def rate_of(frame: pl.DataFrame, hit: str) -> Rate:
    """The share of rows of `frame` whose boolean `hit` is true; rows where it is null do not count."""
    known = frame[hit].drop_nulls()
    return Rate(int(known.sum()), known.len())


def issued(advice: pl.DataFrame) -> pl.DataFrame:
    """The rows that a person is shown to act upon: nothing blocks them, and it has not been done already."""
    return advice.filter(pl.col("blocked_by").is_null(), pl.col("detected_at").is_null())


def unblocked(advice: pl.DataFrame) -> pl.DataFrame:
    """`advice` as if nothing had blocked it: what the rules alone say."""
    return advice.with_columns(blocked_by=pl.lit(None, pl.String))


def first_issues(advice: pl.DataFrame, panel: pl.DataFrame) -> pl.DataFrame:
    """One row per case (entity x type) of the issued `advice`: its first date, with the truth of that date.

    Adds `is_wrong`, null where the type claims nothing that can be checked or nothing is known, and
    `is_wrong_recorded`, the same where leads that broken tracking did not record do not count.
    """
    first = issued(advice).sort("recommendation_date").unique(CASE, keep="first", maintain_order=True)
    return judged(first, panel)


def judged(advice: pl.DataFrame, panel: pl.DataFrame) -> pl.DataFrame:
    """`advice` with the truth of its date beside it, `is_wrong` and `is_wrong_recorded`.

    T is that of the advice, else that of the panel. Columns both have are the panel's, `_said` the advice's.
    """
    with_truth = advice.rename({"target_cpl": "target_said", "parent_id": "parent_said"}).join(
        panel.drop("campaign_id", "spend_7d"),
        left_on=[*ENTITY, "recommendation_date"],
        right_on=[*ENTITY, "date"],
        how="left",
    )
    target = pl.coalesce("target_said", "target_cpl")
    return with_truth.with_columns(target_cpl=target).with_columns(
        is_wrong=_is_wrong("true_cpl"), is_wrong_recorded=_is_wrong("true_cpl_recorded")
    )


def _is_wrong(cpl: str) -> pl.Expr:
    """Whether the claim of the type is false of the entity on the date; null without a claim or truth."""
    kind, target = pl.col("recommendation_type"), pl.col("target_cpl")
    dear_is_claimed = kind.is_in([*TOO_DEAR, "AUDIENCE_NARROWING"])
    cheap_is_claimed = kind.is_in([*CHEAP, "AUDIENCE_EXPANSION"])
    return (
        pl.when(dear_is_claimed)
        .then(pl.col(cpl) <= target)
        .when(cheap_is_claimed)
        .then(pl.col(cpl) >= target)
        .when(kind == "CREATIVE_WINNER")
        .then(~pl.col("is_cheapest"))
        .when(kind == "REACTIVATE")
        .then(pl.col("true_cpl_record") >= target)
        .when(kind == "CREATIVE_REFRESH")
        .then(~pl.col("is_fatigued"))
        .when(kind == "AUDIENCE_REVIEW")
        .then((pl.col("true_lead_rate_change") >= 0) & ~pl.col("is_overlapping"))
    )


def stable(panel: pl.DataFrame, low: float, high: float) -> pl.DataFrame:
    """Entities whose true CPL is between `low` T and `high` T on every date of the account (keys only)."""
    dates = panel.group_by("account").agg(dates=pl.col("date").n_unique())
    inside = pl.col("true_cpl").is_between(pl.col("target_cpl") * low, pl.col("target_cpl") * high)
    return (
        panel.filter(inside)
        .group_by(ENTITY)
        .agg(inside=pl.len())
        .join(dates, on="account")
        .filter(pl.col("inside") == pl.col("dates"))
        .select(ENTITY)
    )


def ever_given(entities: pl.DataFrame, advice: pl.DataFrame, types: Sequence[str]) -> Rate:
    """How many of `entities` (keys) were issued one of `types` on any date."""
    given = issued(advice).filter(pl.col("recommendation_type").is_in(types)).select(ENTITY).unique()
    return Rate(entities.join(given, on=ENTITY, how="semi").height, entities.height)


def should_be_found(panel: pl.DataFrame, *, dear: bool) -> pl.DataFrame:
    """Entities that are far from T with enough spend behind it: keys, `dates` and `share` of the dates.

    `dear`: true CPL above 2 T with e >= 5, else below 0.7 T with e >= 10, on that date. `dates` counts the
    dates of which it is so, `share` is out of those with spend in the 14 days.
    """
    cpl, target, e = pl.col("true_cpl"), pl.col("target_cpl"), pl.col("expected_14d")
    far = (
        (cpl > HOPELESS * target) & (e >= HOPELESS_EXPECTED)
        if dear
        else (cpl < SPLENDID * target) & (e >= SPLENDID_EXPECTED)
    )
    return (
        panel.filter(pl.col("delivered_14d"))
        .group_by(ENTITY)
        .agg(dates=far.sum(), share=far.mean())
        .filter(pl.col("dates") > 0)
    )


def findings(found_among: pl.DataFrame, advice: pl.DataFrame, types: Sequence[str]) -> pl.DataFrame:
    """`found_among` (keys) with `outcome`: issued, the guard that blocked, or undecided.

    One of `types` issued on any date counts as issued. Of an entity for which it was only ever blocked, the
    guard of most dates counts (for the plan, its reason); `undecided` has no row of these types at all.
    """
    right = advice.filter(pl.col("recommendation_type").is_in(types)).join(found_among, on=ENTITY, how="semi")
    by_guard = (
        right.filter(pl.col("blocked_by").is_not_null())
        .with_columns(guard=_guard())
        .group_by(*ENTITY, "guard")
        .agg(n=pl.len())
        .sort("n", "guard", descending=[True, False])
        .unique(ENTITY, keep="first", maintain_order=True)
        .select(*ENTITY, "guard")
    )
    given = issued(right).select(ENTITY).unique().with_columns(is_given=pl.lit(value=True))
    return (
        found_among.join(given, on=ENTITY, how="left")
        .join(by_guard, on=ENTITY, how="left")
        .with_columns(
            outcome=pl.when(pl.col("is_given"))
            .then(pl.lit("issued"))
            .otherwise(pl.col("guard").fill_null("undecided"))
        )
        .drop("is_given", "guard")
    )


def _guard() -> pl.Expr:
    reason = pl.concat_str(pl.lit("plan: "), pl.col("plan_reason"))
    return pl.when(pl.col("blocked_by") == "plan").then(reason.fill_null("plan")).otherwise("blocked_by")


def guards(advice: pl.DataFrame) -> pl.DataFrame:
    """entity_type, recommendation_type, guard, rows: how often each guard (and reason of the plan) blocks."""
    return (
        advice.filter(pl.col("blocked_by").is_not_null())
        .with_columns(guard=_guard())
        .group_by("entity_type", "recommendation_type", "guard")
        .agg(rows=pl.len())
        .sort("rows", "entity_type", "recommendation_type", "guard", descending=[True, False, False, False])
    )


def cases(advice: pl.DataFrame, panel: pl.DataFrame) -> pl.DataFrame:
    """One row per case of the issued `advice`: `days` given, `is_withdrawn`, `is_flip`, `is_back`.

    A gap between two dates of a case counts where the entity delivered on a date inside it. `is_flip`: given
    again within 7 days of the last date before a gap; `is_back`: given again at any later date.
    `is_withdrawn`: a gap, or a date with delivery after the last one.
    """
    delivering = _delivering(panel)
    steps = _steps(advice, panel)
    last = delivering.group_by(ENTITY).agg(last_order=pl.col("order").max())
    return (
        steps.join(last, on=ENTITY, how="left")
        .group_by(CASE)
        .agg(
            days=pl.len(),
            is_flip=pl.col("is_gap_soon").any(),
            is_back=pl.col("is_gap").any(),
            ends_before=(pl.col("last_order").max() > pl.col("order").max()).fill_null(value=False),
        )
        .with_columns(is_withdrawn=pl.col("is_back") | pl.col("ends_before"))
        .drop("ends_before")
        .sort(CASE)
    )


def gap_reasons(advice: pl.DataFrame, panel: pl.DataFrame) -> pl.DataFrame:
    """reason, flips: what a case was withdrawn by before it was given again within 7 days.

    The guard (and reason of the plan) of the first delivering date after the last one it was given, or
    `rule not in force`.
    """
    delivering = _delivering(panel).select(*ENTITY, next_on="date", next_order="order")
    silent_from = (
        _steps(advice, panel)
        .filter(pl.col("is_gap_soon"))
        .with_columns(next_order=pl.col("order") + 1)
        .join(delivering, on=[*ENTITY, "next_order"], how="left")
    )
    reason = pl.when(pl.col("detected_at").is_not_null()).then(pl.lit("done already")).otherwise(_guard())
    then = advice.select(*CASE, next_on="recommendation_date", reason=reason)
    return (
        silent_from.join(then, on=[*CASE, "next_on"], how="left")
        .group_by(reason=pl.col("reason").fill_null("rule not in force"))
        .agg(flips=pl.len())
        .sort("flips", "reason", descending=[True, False])
    )


def _delivering(panel: pl.DataFrame) -> pl.DataFrame:
    """Dates on which each entity delivers, numbered from 1 in `order`."""
    return panel.filter(pl.col("delivers")).select(
        *ENTITY, "date", order=pl.col("date").rank("ordinal").over(ENTITY).cast(pl.Int64)
    )


def _steps(advice: pl.DataFrame, panel: pl.DataFrame) -> pl.DataFrame:
    """Each date on which a case is given, with `order`, `next_date`, `is_gap` and `is_gap_soon` after it."""
    given = issued(advice).select(*CASE, date=pl.col("recommendation_date")).unique()
    delivering = _delivering(panel)
    on_it = delivering.select(*ENTITY, "date", on_it=pl.lit(1, pl.Int64))
    placed = (
        given.sort("date")
        .join_asof(delivering.sort("date"), on="date", by=list(ENTITY), check_sortedness=False)
        .join(on_it, on=[*ENTITY, "date"], how="left")
        .with_columns(pl.col("order", "on_it").fill_null(0))
    )
    steps = placed.sort(*CASE, "date").with_columns(
        next_date=pl.col("date").shift(-1).over(CASE),
        # Delivering dates strictly between this one and the next.
        between=(pl.col("order") - pl.col("on_it")).shift(-1).over(CASE) - pl.col("order"),
    )
    gap = (pl.col("between") > 0) & ((pl.col("next_date") - pl.col("date")).dt.total_days() > 1)
    soon = (pl.col("next_date") - pl.col("date")).dt.total_days() <= BACK_WITHIN_DAYS
    return steps.with_columns(
        is_gap=gap.fill_null(value=False), is_gap_soon=(gap & soon).fill_null(value=False)
    )
