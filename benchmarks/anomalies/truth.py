"""What truly happened to an account: the injected causes day by day, what else people did, and who is kin.

The same account without any incident (`undisturbed`) says what was expected: turning one knob of a synthetic
account leaves its other draws alone, so that the spend of the two differs by the incidents only.
"""

import datetime as dt
from dataclasses import dataclass, replace

import polars as pl

from ml_assets.anomalies.frames import ACCOUNT
from ml_assets.sources.synthetic import SyntheticSource
from ml_assets.sources.synthetic.truth import Truth

ENTITY = ("entity_type", "entity_id")

SPEND_CHANGE = 1.0
"""Money that a spend or CPM incident moves on a day from which it is material, multiples of T."""

TRACKED_LEADS = 12.0
"""Expected leads of a day from which a tracking break can be decided on it."""

EXPECTED_CLICKS = 50.0
"""Expected clicks of a day from which a CTR drop can be decided on it."""

VISIBLE_AGE_DAYS = 1
"""Age at which a day is first read: the morning after it."""

WEEK_DAYS = 7
"""Days before one whose mean spend says what was to be expected of it."""

EDITED_DAYS = 2
"""An edit shows on its day and on the first whole day after it."""


@dataclass(frozen=True)
class Happened:
    """The truth of one account, in the frames that anomalies are scored by.

    - `incidents`: one row per injected incident and day: number, kind, entity_type, entity_id, onset,
      last_date, date, day (1 on the onset), change_t (money moved, multiples of T), usual_change_t (the same
      of a day that spends the mean of the week before), leads_final and leads_visible (expected leads, all
      of them and those the next morning sees), clicks (expected), is_decidable, and is_decidable_otherwise
      (by usual_change_t and leads_final).
    - `answers`: number, date, entity_type, entity_id: the right roots of an incident on a day.
    - `kin`: entity_type, entity_id, kin_type, kin_id, place (self, above, below): an entity with itself,
      what it is in and what is in it. An account is above everything and has nothing below.
    - `causes`: entity_type, entity_id, date, cause (incident, edit, pause, fatigue), number and injected
      (kind) of an injected incident.
    - `places`: entity_type, entity_id, parent_id, campaign_id, created_on.
    - `expected`: entity_type, entity_id, date, spend without incidents (days with spend).
    """

    incidents: pl.DataFrame
    answers: pl.DataFrame
    kin: pl.DataFrame
    causes: pl.DataFrame
    places: pl.DataFrame
    expected: pl.DataFrame


def undisturbed(source: SyntheticSource) -> SyntheticSource:
    """The same account without incidents and without an external move."""
    return SyntheticSource(replace(source.config, incidents=0, external_cpm_move=0.0))


def what_happened(source: SyntheticSource, entities: pl.DataFrame, targets: pl.DataFrame) -> Happened:
    """The truth of an account; `entities` in ENTITIES.

    `targets` has campaign_id, date and target_cpl: T on the dates of interest. An incident that moves the
    account is measured by the median T of its campaigns; days without a T have no `change_t`.
    """
    truth = source.truth
    account_id = source.account().account_id
    expected = _with_account(undisturbed(source).truth.days, account_id)
    places = entities.select(
        *ENTITY,
        "parent_id",
        "campaign_id",
        created_on=pl.col("created_time").dt.convert_time_zone(source.config.timezone).dt.date(),
    )
    visible = truth.late_leads.filter(pl.col("age_days") == VISIBLE_AGE_DAYS)["visible_share"].item()
    usual = _usual(source, expected)
    numbered = truth.incidents.with_row_index("number").with_columns(pl.col("number").cast(pl.Int64))
    days = numbered.with_columns(date=pl.date_ranges("onset", "last_date")).explode("date")
    lone = lone_parents(expected, places)
    return Happened(
        incidents=_sized(days, usual, _with_account(truth.days, account_id), places, targets, visible),
        answers=answers(days.select("number", "date", *ENTITY), lone),
        kin=make_kin(places, account_id),
        causes=make_causes(truth, days, lone, source.config.last_day),
        places=places,
        expected=expected.select(*ENTITY, "date", "spend"),
    )


def make_kin(places: pl.DataFrame, account_id: str) -> pl.DataFrame:
    """The frame `kin` of `Happened`."""
    own = pl.concat([places.select(ENTITY), _account_key(account_id)])
    by_parent = places.filter(pl.col("parent_id").is_not_null())
    ads = places.filter(pl.col("entity_type") == "ad")
    above_of = {"ad": "adset", "adset": "campaign"}
    up = pl.concat(
        [
            by_parent.select(
                *ENTITY, kin_type=pl.col("entity_type").replace_strict(above_of), kin_id="parent_id"
            ),
            ads.select(*ENTITY, kin_type=pl.lit("campaign"), kin_id="campaign_id"),
        ]
    )
    down = up.select(entity_type="kin_type", entity_id="kin_id", kin_type="entity_type", kin_id="entity_id")
    return pl.concat(
        [
            own.with_columns(kin_type="entity_type", kin_id="entity_id", place=pl.lit("self")),
            up.with_columns(place=pl.lit("above")),
            places.select(
                *ENTITY, kin_type=pl.lit(ACCOUNT), kin_id=pl.lit(account_id), place=pl.lit("above")
            ),
            down.with_columns(place=pl.lit("below")),
        ]
    )


def lone_parents(expected: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """entity_type, entity_id, date, parent_type, parent_id of children that alone deliver in their parent.

    By what would have been delivered without incidents: a sibling that stopped is still a sibling.
    """
    delivering = (
        expected.filter(pl.col("spend") > 0)
        .join(places.filter(pl.col("parent_id").is_not_null()), on=ENTITY)
        .select(*ENTITY, "parent_id", "date")
    )
    family = ("entity_type", "parent_id", "date")
    return delivering.filter(pl.len().over(family) == 1).select(
        *ENTITY,
        "date",
        parent_type=pl.col("entity_type").replace_strict({"ad": "adset", "adset": "campaign"}),
        parent_id="parent_id",
    )


def answers(days: pl.DataFrame, lone: pl.DataFrame) -> pl.DataFrame:
    """`days` (with entity_type, entity_id, date) and, where an entity is an only child, its parents'."""
    found = [days]
    for _ in ("adset", "campaign"):
        found.append(
            found[-1]
            .join(lone, on=[*ENTITY, "date"])
            .with_columns(entity_type="parent_type", entity_id="parent_id")
            .select(days.columns)
        )
    return pl.concat(found)


def make_causes(truth: Truth, days: pl.DataFrame, lone: pl.DataFrame, last_day: dt.date) -> pl.DataFrame:
    """The frame `causes` of `Happened`; `days` has one row per injected incident and day."""
    edits = truth.edits.select(
        *ENTITY, date=pl.date_ranges("date", pl.col("date").dt.offset_by(f"{EDITED_DAYS - 1}d"))
    ).explode("date")
    statuses = truth.edits.filter(pl.col("field") == "status").sort(*ENTITY, "known_at")
    pauses = (
        statuses.with_columns(until=pl.col("date").shift(-1).over(ENTITY).fill_null(last_day))
        .filter(pl.col("after") == "PAUSED")
        .select(*ENTITY, date=pl.date_ranges("date", "until"))
        .explode("date")
    )
    fading = truth.fatigue.select(
        entity_type=pl.lit("ad"),
        entity_id="ad_id",
        date=pl.date_ranges("onset", pl.col("end").dt.offset_by("-1d").fill_null(last_day)),
    ).explode("date")
    none = (pl.lit(None, pl.Int64).alias("number"), pl.lit(None, pl.String).alias("injected"))
    return pl.concat(
        [
            days.select(*ENTITY, "date", pl.lit("incident").alias("cause"), "number", injected="kind"),
            edits.unique().select(*ENTITY, "date", pl.lit("edit").alias("cause"), *none),
            pauses.unique().select(*ENTITY, "date", pl.lit("pause").alias("cause"), *none),
            answers(fading, lone).unique().select(*ENTITY, "date", pl.lit("fatigue").alias("cause"), *none),
        ]
    )


def _usual(source: SyntheticSource, expected: pl.DataFrame) -> pl.DataFrame:
    """`expected` with `usual_spend`: the mean of the days before each day, days without spend as zeros."""
    days = pl.DataFrame({"date": source.config.dates()}).with_columns(pl.col("date").cast(pl.Date))
    dense = (
        expected.select(ENTITY)
        .unique()
        .join(days, how="cross")
        .join(expected, on=[*ENTITY, "date"], how="left")
        .sort(*ENTITY, "date")
    )
    before = pl.col("spend").fill_null(0.0).shift(1)
    return dense.with_columns(usual_spend=before.rolling_mean(WEEK_DAYS, min_samples=1).over(ENTITY))


def _account_key(account_id: str) -> pl.DataFrame:
    return pl.DataFrame({"entity_type": [ACCOUNT], "entity_id": [account_id]})


def _with_account(days: pl.DataFrame, account_id: str) -> pl.DataFrame:
    """`days` of a truth with the account's own: the sum of its campaigns."""
    figures = ("spend", "expected_leads", "lost_leads", "expected_clicks")
    whole = (
        days.filter(pl.col("entity_type") == "campaign")
        .group_by("date", maintain_order=True)
        .agg(pl.col(*figures).sum())
        .with_columns(entity_type=pl.lit(ACCOUNT), entity_id=pl.lit(account_id))
    )
    return pl.concat([frame.select(*ENTITY, "date", *figures) for frame in (days, whole)])


def _sized(
    days: pl.DataFrame,
    expected: pl.DataFrame,
    actual: pl.DataFrame,
    places: pl.DataFrame,
    targets: pl.DataFrame,
    visible_share: float,
) -> pl.DataFrame:
    """`days` of incidents with what is at stake on each, and whether the day can decide it."""
    on = [*ENTITY, "date"]
    account_wide = targets.group_by("date").agg(account_target=pl.col("target_cpl").median())
    kind = pl.col("kind")
    factor, target = pl.col("factor"), pl.coalesce("target_cpl", "account_target")
    is_spend, is_cpm = kind.is_in(["ZERO_SPEND", "SPEND_SPIKE"]), kind == "CPM_SPIKE"
    # What the impressions cost more than they would have.
    dearer = 1.0 - 1.0 / factor
    money = (
        pl.when(is_spend)
        .then((pl.col("spend_now") - pl.col("spend")).abs())
        .when(is_cpm)
        .then(pl.col("spend_now") * dearer)
    )
    usual_money = (
        pl.when(is_spend)
        .then(pl.col("usual_spend") * (factor - 1.0).abs())
        .when(is_cpm)
        .then(pl.col("usual_spend") * dearer)
    )
    sized = (
        days.join(places.select(*ENTITY, "campaign_id"), on=ENTITY, how="left")
        .join(expected, on=on, how="left")
        .join(actual.select(*on, spend_now="spend"), on=on, how="left")
        .join(targets.select("campaign_id", "date", "target_cpl"), on=["campaign_id", "date"], how="left")
        .join(account_wide, on="date", how="left")
        .with_columns(pl.col("spend", "spend_now", "expected_leads", "expected_clicks").fill_null(0.0))
        .with_columns(
            day=(pl.col("date") - pl.col("onset")).dt.total_days() + 1,
            change_t=money / target,
            usual_change_t=usual_money / target,
            leads_final=pl.col("expected_leads"),
            leads_visible=pl.col("expected_leads") * visible_share,
            clicks=pl.col("expected_clicks"),
        )
    )
    return sized.select(
        "number",
        "kind",
        *ENTITY,
        "onset",
        "last_date",
        "date",
        "day",
        "change_t",
        "usual_change_t",
        "leads_final",
        "leads_visible",
        "clicks",
        is_decidable=_decidable("leads_visible", "change_t"),
        is_decidable_otherwise=_decidable("leads_final", "usual_change_t"),
    ).sort("number", "date")


def _decidable(leads: str, change: str) -> pl.Expr:
    kind = pl.col("kind")
    return (
        pl.when(kind == "TRACKING_BREAK")
        .then(pl.col(leads) >= TRACKED_LEADS)
        .when(kind == "CTR_DROP")
        .then(pl.col("clicks") >= EXPECTED_CLICKS)
        .otherwise(pl.col(change) >= SPEND_CHANGE)
        .fill_null(value=False)
    )
