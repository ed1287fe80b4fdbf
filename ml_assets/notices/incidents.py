"""Which incidents are news, and what is said of them: once when found, when much worse, and when over."""

import datetime as dt
from enum import StrEnum

import polars as pl

from ml_assets.anomalies.attribution import read_attribution
from ml_assets.anomalies.frames import INCIDENTS, NOT_NEWS
from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.frames import Schema, conform
from ml_assets.notices.languages import LANGUAGES
from ml_assets.notices.message import Notice, NoticeKind, context, escaped, header, section
from ml_assets.words import numbers
from ml_assets.words.names import OTHER_LENGTH
from ml_assets.words.phrases import Language, fill, language_of

NOTIFIED_SEVERITY = "CRITICAL"

NEWS_DAYS = 3
"""An open incident whose newest look is older than this is history, as after a backfill of past days."""

SHORT = 8
"""Digits of an incident's id that are shown; commands take them back."""


class Event(StrEnum):
    """What there is to say of an incident."""

    RAISED = "raised"
    GROWN = "grown"
    RECOVERED = "recovered"
    WITHDRAWN = "withdrawn"
    """People were told of it, and restated figures no longer show it."""
    REBASED = "rebased"
    """Nothing: the day it was told on is over, and its whole sum is what growth is measured from."""


TOLD: Schema = {
    "incident_id": pl.String(),
    "event": pl.String(),  # the last that was told
    "number": pl.Int64(),  # how many notices there were of it
    "money": pl.Float64(),  # at stake a day when it was told, account currency
    "is_provisional": pl.Boolean(),  # the day it was told on still ran
}
"""What people were told of incidents, one row each."""

WATCHED: Schema = {**INCIDENTS, "feedback": pl.String()}
"""Incidents as they are stored, with what people said of them."""


def incident_news(
    incidents: pl.DataFrame, told: pl.DataFrame, today: dt.date, policy: AnomalyPolicy
) -> pl.DataFrame:
    """What there is to say: WATCHED with `event`, `number`, `money_told`, `money_today`, `is_provisional`.

    `incidents` are WATCHED, `told` is TOLD. CRITICAL ones that are open are news once; again when what is
    at stake a day grew by `policy.growth` since it was told, judged on days that are over: a running day
    grows by itself, and what it no longer shows is told when it is over. An end is told of what was told.
    Of incidents that people called expected, a false alarm or the new normal, and of those merged into
    another, nothing is said.
    """
    rows = conform(incidents, WATCHED, "incidents")
    columns = read_attribution(rows).select(
        "money_today", "merged_into", pl.col("is_provisional").fill_null(value=False)
    )
    joined = pl.concat([rows, columns], how="horizontal").join(
        conform(told, TOLD, "told").select(
            "incident_id", "number", told_event="event", money_told="money", was_provisional="is_provisional"
        ),
        on="incident_id",
        how="left",
        maintain_order="left",
    )
    is_answered = pl.col("feedback").is_in(NOT_NEWS).fill_null(value=False)
    is_recent = pl.col("evaluated_date") > today - dt.timedelta(days=NEWS_DAYS)
    is_open, is_told = pl.col("status") == "open", pl.col("told_event").is_in([Event.RAISED, Event.GROWN])
    is_judged = is_open & is_told & ~pl.col("is_provisional")
    # A running day may show tomorrow morning what it does not show now.
    is_gone = is_told & (~pl.col("is_provisional") | (pl.col("evaluated_date") < today))
    grew = pl.col("money_today") >= (1.0 + policy.growth) * pl.col("money_told")
    event = (
        pl.when(is_open & ~is_told.fill_null(value=False))
        .then(pl.when(pl.col("severity") == NOTIFIED_SEVERITY).then(pl.lit(Event.RAISED)))
        .when(is_judged & pl.col("was_provisional"))
        .then(pl.lit(Event.REBASED))
        .when(is_judged & grew)
        .then(pl.lit(Event.GROWN))
        .when(is_gone & (pl.col("status") == "superseded"))
        .then(pl.lit(Event.WITHDRAWN))
        .when(is_gone & (pl.col("status") == "closed") & pl.col("merged_into").is_null())
        .then(pl.lit(Event.RECOVERED))
    )
    return (
        joined.with_columns(event=event, number=pl.col("number").fill_null(0))
        .filter(~is_answered, is_recent | ~is_open, pl.col("event").is_not_null())
        .sort("money_today", "incident_id", descending=[True, False], nulls_last=True)
        .drop("merged_into", "told_event", "was_provisional")
    )


def incident_notices(news: pl.DataFrame, accounts: pl.DataFrame, language: str) -> list[Notice]:
    """A notice for each row of `incident_news` that says something, in its order.

    `accounts` has config_id, name and currency.
    """
    words = language_of(language, LANGUAGES)
    rows = (
        news.filter(pl.col("event") != Event.REBASED)
        .join(
            accounts.select("config_id", account="name", currency="currency"),
            on="config_id",
            how="left",
            maintain_order="left",
        )
        .with_columns(pl.coalesce("account", pl.col("config_id").cast(pl.String)).alias("account"))
        .with_columns(_texts(words))
    )
    return [
        Notice(
            key=f"incident|{row['incident_id']}|{row['number'] + 1}",
            kind=NoticeKind.INCIDENT,
            text=f"{row['title']}. {row['description']}",
            blocks=(
                header(row["title"]),
                section(escaped(row["description"] or "")),
                context([escaped(part) for part in row["small_print"]]),
            ),
            config_id=row["config_id"],
            incident_id=row["incident_id"],
            event=row["event"],
            money=row["money_today"],
            is_provisional=row["is_provisional"],
        )
        for row in rows.to_dicts()
    ]


def _texts(words: Language) -> list[pl.Expr]:
    """`title`, and `small_print` (a list of the parts that are known)."""
    money = {
        name: numbers.money(pl.col(name), pl.col("currency"), words.locale, rough=True)
        for name in ("money_today", "money", "money_told")
    }
    values = {
        "severity": pl.col("severity"),
        "account": pl.col("account").str.slice(0, OTHER_LENGTH),
        "day": numbers.day(pl.col("onset_date"), words.locale),
        "short": pl.col("incident_id").str.slice(0, SHORT),
    }

    def phrase(key: str, sum_of: str = "money") -> pl.Expr:
        return fill(words.phrases[key], {**values, "money": money[sum_of]})

    def of(event: Event) -> pl.Expr:
        return pl.col("event") == event

    going_on = of(Event.RAISED) | of(Event.GROWN)
    parts = [
        pl.when(going_on).then(phrase("at_stake", "money_today")),
        pl.when(of(Event.GROWN)).then(phrase("grown_from", "money_told")),
        pl.when(of(Event.WITHDRAWN)).then(pl.lit(words.phrases["withdrawn_why"])),
        pl.when(of(Event.RECOVERED) | of(Event.GROWN)).then(phrase("lost")),
        phrase("since"),
        phrase("incident"),
    ]
    title = pl.coalesce(
        *(pl.when(of(event)).then(phrase(event.value)) for event in Event if event is not Event.REBASED)
    )
    return [title.alias("title"), pl.concat_list(parts).list.drop_nulls().alias("small_print")]
