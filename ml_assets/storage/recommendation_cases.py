"""How the state of a case is carried over its rows, so that what a person did outlives every run. No SQL.

A row stands for the dates from the first one of its case to its own. Rows of an entity and type whose dates
overlap are one chain of the same advice, also where restated figures or a long stand have moved the first
date, and with it the `case_id`. What a person did on a day holds for all rows of the case; for the rest of
its chain before that day, and after it while the advice stays blocked: it was not raised again, knowingly.
"""

import datetime as dt
from typing import NamedTuple

import polars as pl

from ml_assets.frames import KEY, UTC, Schema
from ml_assets.local_days import local_date, zones_of
from ml_assets.storage.keys import uuid5_of

TABLE = "ml_recommendations"

REACH_DAYS = 28
"""No case is longer: rules are replayed over so many dates."""

DETECTED = "detected"
"""`applied_by` where no person, but a change in the entity versions did what was advised."""

MARK: Schema = {
    "applied_at": UTC,
    "applied_by": pl.String(),
    "dismissed_at": UTC,
    "dismissed_by": pl.String(),
    "dismissed_reason": pl.String(),
}
"""The columns of a row that say who did what with its case."""

CASE_ROWS: Schema = {
    "id": pl.String(),
    "case_id": pl.String(),
    **KEY,
    "recommendation_type": pl.String(),
    "recommendation_date": pl.Date(),
    "status": pl.String(),
    "blocked_by": pl.String(),
    "created_at": UTC,
    "expires_at": UTC,
    **MARK,
}
"""What of a stored row decides what becomes of it."""

_SUBJECT = (*KEY, "recommendation_type")

_SHARING = (
    "id",
    "case_id",
    *_SUBJECT,
    "recommendation_date",
    "first_date",
    "status",
    "blocked_by",
    "expires_at",
    "mark",
    "marked_at",
    "marked_on",
    "detected_at",
    "is_fresh",
    "is_kept",
)


class CarriedOver(NamedTuple):
    """What a re-run does to the table.

    `rows` are inserted, `kept_ids` are the rows of the partition that are not deleted, `updates` holds id,
    status and the columns of MARK of stored rows that change.
    """

    rows: pl.DataFrame
    kept_ids: list[str]
    updates: pl.DataFrame


def case_ids(frame: pl.DataFrame, first_date: str = "first_date") -> pl.Series:
    """`case_id` of each row: UUIDv5 of the natural key with the first date of the case as its date."""
    key = frame.select(*KEY, pl.col(first_date).alias("recommendation_date"), "recommendation_type")
    return uuid5_of(key, TABLE).alias("case_id")


def with_marks(rows: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `mark` (what a person did: applied, dismissed or null), `marked_at` and `detected_at`.

    `marked_on` is the day of it in the time zone of the account (`accounts`: config_id, timezone).

    The status says which; where that is superseded, the columns that were kept do. A row that a person
    dismissed and whose advice was then seen to be followed has both.
    """
    status = pl.col("status")
    was_applied = pl.any_horizontal(pl.col("applied_at", "applied_by").is_not_null())
    was_dismissed = pl.any_horizontal(
        pl.col("dismissed_at", "dismissed_by", "dismissed_reason").is_not_null()
    )
    later_dismissed = (pl.col("dismissed_at") > pl.col("applied_at")).fill_null(value=False)
    is_applied = (status == "applied") | (was_applied & (status != "dismissed") & ~later_dismissed)
    is_applied = is_applied.fill_null(value=False)
    is_detected = is_applied & pl.col("applied_by").eq_missing(DETECTED)
    is_dismissed = ((status == "dismissed") | was_dismissed).fill_null(value=False)
    marked = rows.with_columns(
        mark=pl.when(is_applied & ~is_detected)
        .then(pl.lit("applied"))
        .when(is_dismissed)
        .then(pl.lit("dismissed")),
        detected_at=pl.when(is_detected).then(pl.coalesce("applied_at", "created_at")),
    ).with_columns(
        marked_at=pl.when(pl.col("mark") == "applied").then("applied_at").otherwise("dismissed_at")
    )
    zones = accounts.select("config_id", _zone=pl.col("timezone").fill_null("UTC"))
    placed = marked.join(zones, on="config_id", how="left", maintain_order="left")
    day = local_date(pl.col("marked_at"), pl.col("_zone").fill_null("UTC"), ["UTC", *zones_of(accounts)])
    # Where a loader did not say when, it was on the day after the advice.
    said_on = pl.coalesce(day, pl.col("recommendation_date").dt.offset_by("1d"))
    return placed.with_columns(marked_on=pl.when(pl.col("mark").is_not_null()).then(said_on)).drop("_zone")


def with_first_dates(rows: pl.DataFrame) -> pl.DataFrame:
    """Stored `rows` with `first_date` of their case, found from the `case_id`, which is made of it.

    Where no date of the last `REACH_DAYS` fits (a row that a loader wrote), it is the first stored date.
    """
    if not rows.height:
        return rows.with_columns(first_date=pl.col("recommendation_date"))
    cases = rows.group_by(*_SUBJECT, "case_id").agg(
        oldest=pl.col("recommendation_date").min(), newest=pl.col("recommendation_date").max()
    )
    back = pl.DataFrame({"back": range(REACH_DAYS)}, schema={"back": pl.Int64()})
    candidates = (
        cases.filter(pl.col("case_id").is_not_null())
        .join(back, how="cross")
        .with_columns(first_date=pl.col("oldest") - pl.duration(days=pl.col("back")))
        .filter(pl.col("first_date") > pl.col("newest") - pl.duration(days=REACH_DAYS))
    )
    found = candidates.filter(case_ids(candidates) == pl.col("case_id"))
    dated = cases.join(
        found.select(*_SUBJECT, "case_id", "first_date"),
        on=[*_SUBJECT, "case_id"],
        how="left",
        nulls_equal=True,
    ).with_columns(pl.coalesce("first_date", "oldest"))
    return rows.join(
        dated.drop("oldest", "newest"),
        on=[*_SUBJECT, "case_id"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )


def with_chain(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `chain`, equal where the dates of an entity and type overlap, if only through others."""
    ordered = rows.sort(*_SUBJECT, "first_date", "recommendation_date", "id")
    begins = pl.col("first_date").to_physical()
    reached = pl.col("recommendation_date").to_physical().cum_max().shift(1).over(_SUBJECT)
    return ordered.with_columns(chain=(begins > reached).fill_null(value=True).cast(pl.Int64).cum_sum())


def carry_over(
    produced: pl.DataFrame,
    stored: pl.DataFrame,
    accounts: pl.DataFrame,
    now: dt.datetime,
    *,
    only_active: bool = False,
) -> CarriedOver:
    """What the table is to hold after a run.

    `produced` are the run's rows (RECOMMENDATIONS, with `id` and `case_id`). `stored` (CASE_ROWS and
    `is_inside`, whether the run replaces it) are the rows within `REACH_DAYS` of the run of every entity that
    carries a state or is given one; for `only_active` also the rows inside that are not active.

    A row inside that carries a state and is not produced again becomes superseded. What was detected is as
    new as the run: it falls where the date that saw it is run again without it, and reaches the rows of its
    case up to that date. `only_active`: rows inside that are not active are left as they are.
    """
    is_kept = pl.col("is_inside") & pl.lit(only_active) & pl.col("status").ne_missing("active")
    known = _without_detections_run_again(
        with_marks(with_first_dates(stored), accounts)
        .with_columns(is_kept=is_kept, is_fresh=pl.lit(value=False))
        .with_columns(is_replaced=pl.col("is_inside") & ~pl.col("is_kept"))
    )
    kept, replaced = known.filter("is_kept"), known.filter("is_replaced")
    fresh = _with_own_marks(produced.join(kept, on="id", how="anti"), replaced)
    gone = _superseded(replaced.join(fresh, on="id", how="anti"))
    others = pl.concat([known.filter(~pl.col("is_replaced")), gone])
    columns = [*_SHARING, *MARK]
    together = with_chain(pl.concat([fresh.select(columns), others.select(columns)]))
    shared = _with_states(_detected_of_chain(_marked_by_chain(together)), now)
    state = ["id", "status", *MARK]
    rows = fresh.select(pl.exclude("status", *MARK)).join(
        shared.filter("is_fresh").select(state), on="id", maintain_order="left"
    )
    before = stored.join(others.filter(~pl.col("is_kept")), on="id", how="semi").select(state)
    changed = shared.join(before, on="id", suffix="_before").filter(
        pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in ("status", *MARK))
    )
    return CarriedOver(
        rows.select(produced.columns), [*kept["id"], *gone["id"]], changed.select(state).sort("id")
    )


def _superseded(rows: pl.DataFrame) -> pl.DataFrame:
    """Those of `rows` that carry a state, as superseded; the columns must tell alone then what they were."""
    day = pl.col("recommendation_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    moment = pl.coalesce("marked_at", "created_at", day)
    return rows.filter(pl.any_horizontal(pl.col("mark", "detected_at").is_not_null())).with_columns(
        status=pl.lit("superseded"),
        applied_at=pl.when(pl.col("mark") == "applied").then(moment).otherwise("applied_at"),
        dismissed_at=pl.when(pl.col("mark") == "dismissed").then(moment).otherwise("dismissed_at"),
    )


def _without_detections_run_again(rows: pl.DataFrame) -> pl.DataFrame:
    """Take back each detection whose newest row, the one that saw it, is replaced."""
    detection = (*_SUBJECT, "detected_at")
    saw_it = pl.col("recommendation_date") == pl.col("recommendation_date").max().over(detection)
    falls = (saw_it & pl.col("is_replaced")).any().over(detection)
    return rows.with_columns(detected_at=pl.when(~falls).then("detected_at"))


def _with_own_marks(produced: pl.DataFrame, replaced: pl.DataFrame) -> pl.DataFrame:
    """`produced` with what people did with the same rows before, and what was detected of their cases."""
    earlier = [*MARK, "mark", "marked_at", "marked_on"]
    before = replaced.select(
        "id",
        pl.col("detected_at").alias("detected_before"),
        *(pl.col(name).name.suffix("_by_person") for name in earlier),
    )
    is_detected = pl.col("status") == "applied"
    return produced.join(before, on="id", how="left", maintain_order="left").select(
        pl.exclude("status", *MARK, "detected_before", "^.*_by_person$"),
        status=pl.when(is_detected).then(pl.lit("active")).otherwise("status"),
        detected_at=pl.when(is_detected)
        .then(pl.coalesce("applied_at", "created_at"))
        .otherwise("detected_before"),
        is_fresh=pl.lit(value=True),
        is_kept=pl.lit(value=False),
        **{name: pl.col(f"{name}_by_person") for name in earlier},
    )


def _marked_by_chain(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows without a mark with the one that holds for them, in order of dates.

    That is the next one of the chain after the row's date; else the last one of its case; else the last one
    of the chain, where the row is blocked and the advice was not raised anew in between.
    """
    told = [*MARK, "mark"]
    marks = (
        rows.filter(pl.col("mark").is_not_null())
        .sort("marked_on", "marked_at", "id", nulls_last=False)
        .select("chain", "case_id", "marked_on", *told)
    )
    of_chain = marks.unique(["chain", "marked_on"], keep="last", maintain_order=True).drop("case_id")
    of_case = marks.unique(["chain", "case_id"], keep="last", maintain_order=True)
    ordered = rows.drop("marked_on").sort("recommendation_date", "id")
    ordered = ordered.with_columns(next_day=pl.col("recommendation_date").dt.offset_by("1d"))
    ordered = (
        ordered.join_asof(
            _named(of_chain, "_after"),
            left_on="next_day",
            right_on="marked_on_after",
            by="chain",
            strategy="forward",
            coalesce=False,
            check_sortedness=False,
        )
        .join_asof(
            _named(of_chain, "_before"),
            left_on="recommendation_date",
            right_on="marked_on_before",
            by="chain",
            strategy="backward",
            coalesce=False,
            check_sortedness=False,
        )
        .join(_named(of_case, "_of_case"), on=["chain", "case_id"], how="left", maintain_order="left")
    )
    lacks = pl.col("mark").is_null()
    takes_next = lacks & pl.col("mark_after").is_not_null()
    takes_own = lacks & ~takes_next & pl.col("mark_of_case").is_not_null()
    is_open = lacks & ~takes_next & ~takes_own & (pl.col("status") != "superseded")
    day = pl.col("recommendation_date").to_physical()
    raised_on = pl.when(is_open & pl.col("blocked_by").is_null()).then(day).cum_max().forward_fill()
    is_quiet = pl.col("marked_on_before").to_physical() > raised_on.over("chain")
    takes_last = is_open & pl.col("blocked_by").is_not_null() & is_quiet.fill_null(value=True)
    return ordered.with_columns(
        pl.when(takes_next)
        .then(f"{name}_after")
        .when(takes_own)
        .then(f"{name}_of_case")
        .when(takes_last)
        .then(f"{name}_before")
        .otherwise(name)
        .alias(name)
        for name in told
    ).select(rows.drop("marked_on").columns)


def _named(marks: pl.DataFrame, suffix: str) -> pl.DataFrame:
    """`marks` with a suffix to all names but the keys."""
    return marks.rename(lambda name: name if name in {"chain", "case_id"} else f"{name}{suffix}")


def _detected_of_chain(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `detected_at` of the row of their chain that saw it, back to the first date of its case."""
    seen = rows.filter(pl.col("detected_at").is_not_null()).select(
        "chain",
        pl.col("recommendation_date").alias("seen_on"),
        pl.col("first_date").alias("seen_from"),
        pl.col("detected_at").alias("seen_at"),
    )
    reached = rows.sort("recommendation_date").join_asof(
        seen.sort("seen_on"),
        left_on="recommendation_date",
        right_on="seen_on",
        by="chain",
        strategy="forward",
        check_sortedness=False,
    )
    is_of_case = pl.col("seen_from") <= pl.col("recommendation_date")
    return reached.with_columns(
        detected_at=pl.coalesce("detected_at", pl.when(is_of_case).then("seen_at"))
    ).select(rows.columns)


def _with_states(rows: pl.DataFrame, now: dt.datetime) -> pl.DataFrame:
    """`rows` with status and columns as they are stored. A person's word goes before a detection."""
    is_detected = pl.col("detected_at").is_not_null() & pl.col("mark").ne_missing("applied")
    was_detected = pl.col("applied_by").eq_missing(DETECTED)
    is_over = (pl.col("expires_at") <= now).fill_null(value=False) | (pl.col("status") == "expired")
    return rows.with_columns(
        applied_at=pl.when(is_detected)
        .then("detected_at")
        .otherwise(pl.when(~was_detected).then("applied_at")),
        applied_by=pl.when(is_detected)
        .then(pl.lit(DETECTED))
        .otherwise(pl.when(~was_detected).then("applied_by")),
        status=pl.when(pl.col("is_kept") | (pl.col("status") == "superseded"))
        .then("status")
        .when(is_detected)
        .then(pl.lit("applied"))
        .when(pl.col("mark").is_not_null())
        .then("mark")
        .when(is_over)
        .then(pl.lit("expired"))
        .otherwise(pl.lit("active")),
    )
