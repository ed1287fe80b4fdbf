"""Which incidents are false, which injected causes are caught, how soon, and by whom. Nothing is printed.

`found` holds incidents as they were evaluated, in INCIDENTS; `happened` is the truth of their account.
"""

import polars as pl

from benchmarks.anomalies.truth import ENTITY, Happened

RIGHT = {
    "ZERO_SPEND": ("ZERO_SPEND", "SPEND_DROP", "ZERO_IMPRESSIONS"),
    "SPEND_SPIKE": ("SPEND_SPIKE",),
    "TRACKING_BREAK": ("TRACKING_BREAK", "LEADS_DROP", "CVR_DROP"),
    "CTR_DROP": ("CTR_DROP",),
    "CPM_SPIKE": ("CPM_SPIKE",),
}
"""Injected kind -> kinds of the right metric and direction. Its name alone is the right kind."""

FADING = ("CTR_DROP", "CPL_SPIKE", "LEADS_DROP", "PERFORMANCE_DROP")
"""Kinds that a creative whose CTR decays may show."""

LATE_DAYS = 3
"""Day by which an incident that its first day cannot decide is to be caught."""

AFTER_DAYS = 7
"""Days after the end of a cause within which a false incident is put down to it."""

CAUSES = ("incident", "edit", "pause", "fatigue")


def touched(found: pl.DataFrame, happened: Happened) -> pl.DataFrame:
    """`found` with what happened to its entities on its days: by_incident, by_edit, by_pause, by_fatigue.

    Its entities are the root, what is in it and what it is in; its days those from onset_date to last_date.
    Of an account only what moved the whole account counts. An edit counts on its day and the next one, a
    pause while it lasts where it stopped the root itself, fatigue of the ad that is named (or that is alone
    in what is named) where the kind is one of `FADING`. Also `numbers`, the injected incidents, `same`, those
    of them whose metric and direction it has, and `is_false`: none of these.
    """
    keyed = found.with_row_index("row")
    is_near = (
        pl.when(pl.col("cause") == "pause")
        .then(pl.col("place") != "below")
        .when(pl.col("cause") == "fatigue")
        .then((pl.col("place") == "self") & pl.col("kind").is_in(FADING))
        .otherwise(statement=True)
    )
    near = (
        keyed.select("row", *ENTITY, "kind", "onset_date", "last_date")
        .join(happened.kin, on=ENTITY)
        .join(happened.causes, left_on=["kin_type", "kin_id"], right_on=ENTITY)
        .filter(pl.col("date").is_between("onset_date", "last_date"), is_near)
        .group_by("row")
        .agg(
            *((pl.col("cause") == cause).any().alias(f"by_{cause}") for cause in CAUSES),
            numbers=pl.col("number").drop_nulls().unique().sort(),
            same=pl.col("number").filter(_is_right("injected", "kind")).unique().sort(),
        )
    )
    by = [f"by_{cause}" for cause in CAUSES]
    return (
        keyed.join(near, on="row", how="left", maintain_order="left")
        .with_columns(
            pl.col(*by).fill_null(value=False),
            pl.col("numbers", "same").fill_null(pl.lit([], pl.List(pl.Int64))),
        )
        .with_columns(is_false=~pl.any_horizontal(by))
        .drop("row")
    )


def first_issued(found: pl.DataFrame) -> pl.DataFrame:
    """Each incident on the first date on which it is issued."""
    return issued(found).sort("evaluated_date").unique("incident_id", keep="first", maintain_order=True)


def first_grave(found: pl.DataFrame) -> pl.DataFrame:
    """Each incident on the first date on which it is issued as HIGH or CRITICAL."""
    return first_issued(found.filter(pl.col("severity").is_in(["HIGH", "CRITICAL"])))


def issued(found: pl.DataFrame) -> pl.DataFrame:
    """Open incidents above the fold."""
    return found.filter(pl.col("alert_rank").is_not_null(), pl.col("status") == "open")


def outcomes(found: pl.DataFrame, happened: Happened) -> pl.DataFrame:
    """One row per injected incident: its first day's row of `happened.incidents`, and what became of it.

    Days are counted from 1 on the onset, null where it never happened up to its last day:
    - `noticed`: first day with an incident of the right metric and direction at the entity, or, begun since
      the onset, at anything in or above it; `root_is_right`: one of those of that day is at the right entity.
    - `caught`: first day with one at the right entity, or at the parent in which it is the only child.
    - `issued`: first day on which a catch is above the fold.
    - `kind_found`: kind of the catch of the first such day; `named`: level of what was noticed.
    - `is_found_by`: other kinds near it up to day 3, text.
    """
    near = _near(found, happened).with_columns(is_right_kind=_is_right("kind", "kind_said"))
    is_new = pl.col("onset_date") >= pl.col("onset")
    right = near.filter("is_right_kind", pl.col("is_answer") | is_new).sort(
        "number", "day", "is_answer", descending=[False, False, True]
    )
    is_issued = pl.col("alert_rank").is_not_null()
    seen = right.group_by("number").agg(
        noticed=pl.col("day").min(),
        root_is_right=pl.col("is_answer").first(),
        named=pl.col("type_said").first(),
        caught=pl.col("day").filter("is_answer").min(),
        issued=pl.col("day").filter(pl.col("is_answer") & is_issued).min(),
        kind_found=pl.col("kind_said").filter("is_answer").first(),
    )
    said = pl.format(
        "day {} {} at {}{}",
        "day",
        "kind_said",
        "type_said",
        pl.when(is_issued).then(pl.lit(" issued")).otherwise(pl.lit("")),
    )
    others = (
        near.filter(pl.col("day") <= LATE_DAYS)
        .sort("number", "day", "kind_said", "type_said")
        .group_by("number")
        .agg(is_found_by=said.unique(maintain_order=True).head(6).str.join(", "))
    )
    return (
        happened.incidents.filter(pl.col("day") == 1)
        .join(seen, on="number", how="left")
        .join(others, on="number", how="left")
        .sort("number")
    )


def _is_right(injected: str, said: str) -> pl.Expr:
    """Whether the kind in column `said` has the metric and direction of the injected kind."""
    return pl.any_horizontal(
        (pl.col(injected) == kind) & pl.col(said).is_in(kinds) for kind, kinds in RIGHT.items()
    )


def _near(found: pl.DataFrame, happened: Happened) -> pl.DataFrame:
    """Open incidents that show at or after the onset of an injected one, at its entity or its kin, by day."""
    said = found.filter(pl.col("status") == "open").select(
        type_said="entity_type",
        id_said="entity_id",
        kind_said="kind",
        date="evaluated_date",
        onset_date="onset_date",
        last_said="last_date",
        alert_rank="alert_rank",
    )
    # An account's own verdict is no name for what happened in one of its entities.
    kin = happened.kin.filter((pl.col("kin_type") != "account") | (pl.col("place") == "self"))
    near = (
        happened.incidents.select("number", "kind", *ENTITY, "onset", "date", "day")
        .join(kin, on=ENTITY)
        .join(said, left_on=["date", "kin_type", "kin_id"], right_on=["date", "type_said", "id_said"])
        .filter(pl.col("last_said") >= pl.col("onset"))
        .rename({"kin_type": "type_said", "kin_id": "id_said"})
    )
    right = happened.answers.select(
        "number", "date", type_said="entity_type", id_said="entity_id", is_answer=pl.lit(value=True)
    )
    return near.join(right, on=["number", "date", "type_said", "id_said"], how="left").with_columns(
        pl.col("is_answer").fill_null(value=False)
    )


def per_cause(raised: pl.DataFrame) -> pl.DataFrame:
    """number, raised, same: issued incidents that touch each injected one, and those of its own metric.

    `raised` comes from `touched`; `same` are those of its metric and direction.
    """
    of_cause = raised.select("same", number="numbers").explode("number").drop_nulls("number")
    return (
        of_cause.group_by("number")
        .agg(raised=pl.len(), same=pl.col("same").list.contains(pl.col("number")).sum())
        .sort("number")
    )


def reasons(false: pl.DataFrame, happened: Happened) -> pl.DataFrame:
    """False incidents with `reason`: the nearest thing that may have led to it. A hint, not a verdict."""
    keyed = false.with_row_index("row").join(happened.places, on=ENTITY, how="left", suffix="_place")
    causes = happened.causes.filter(pl.col("cause").is_in(["incident", "edit", "pause"]))
    of_kin = (
        keyed.select("row", *ENTITY, "onset_date")
        .join(happened.kin, on=ENTITY)
        .join(causes, left_on=["kin_type", "kin_id"], right_on=ENTITY)
        .filter(pl.col("date").is_between(pl.col("onset_date").dt.offset_by(f"-{AFTER_DAYS}d"), "onset_date"))
        .group_by("row")
        .agg(pl.col("cause").unique().alias("after"))
    )
    of_campaign = (
        keyed.select("row", "campaign_id", "onset_date", "last_date")
        .join(causes.join(happened.places, on=ENTITY), on="campaign_id")
        .filter(pl.col("date").is_between("onset_date", "last_date"))
        .group_by("row")
        .agg(pl.col("cause").unique().alias("beside"))
    )
    launches = (
        keyed.select("row", "campaign_id", "onset_date", "last_date")
        .join(happened.places.select("campaign_id", "created_on"), on="campaign_id")
        .filter(pl.col("created_on").is_between(pl.col("onset_date").dt.offset_by("-1d"), "last_date"))
        .select("row", is_launch=pl.lit(value=True))
        .unique()
    )
    silent = happened.expected.select(*ENTITY, onset_date="date", delivers=pl.lit(value=True))
    found = (
        keyed.join(of_kin, on="row", how="left")
        .join(of_campaign, on="row", how="left")
        .join(launches, on="row", how="left")
        .join(silent, on=[*ENTITY, "onset_date"], how="left")
    )

    def has(column: str, cause: str) -> pl.Expr:
        return pl.col(column).list.contains(cause).fill_null(value=False)

    return (
        found.with_columns(
            reason=pl.when(pl.col("delivers").is_null())
            .then(pl.lit("a silent day"))
            .when(has("after", "incident"))
            .then(pl.lit("after an injected incident"))
            .when(has("after", "edit") | has("after", "pause"))
            .then(pl.lit("after an edit or pause"))
            .when(has("beside", "incident"))
            .then(pl.lit("injected incident at a sibling"))
            .when(has("beside", "edit"))
            .then(pl.lit("edit at a sibling"))
            .when(pl.col("is_launch"))
            .then(pl.lit("launch in the campaign"))
            .otherwise(pl.lit("nothing"))
        )
        .sort("row")
        .select(*false.columns, "reason")
    )
