"""The day while it runs: until when its figures count, and what share of the day they should be by then.

Learnt from how past days grew by the hour, account by account. What is judged with it lies in `detect`.
"""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from ml_assets.anomalies.frames import RUNNING_DAYS
from ml_assets.entities import LEVELS
from ml_assets.frames import UTC, Schema, conform, fill_missing
from ml_assets.local_days import day_end, day_start, local_clock, local_date, moment_of, zones_of
from ml_assets.metrics import MICROS

UNREPORTED = dt.timedelta(hours=3)
"""Meta reports late: what was read in the last hours before the newest reading is not judged."""

HISTORY_DAYS = 56
"""Days before a running day from which its share is learnt; hourly versions are kept that long."""

LEAST_DAYS = 14
"""Past days that were read at about the same time of day, at least."""

LEAST_SHARE = 0.05
"""Expected share of the day from which on it is judged; before, a late start looks like a standstill."""

ONE_READING = dt.timedelta(minutes=15)
"""The levels of an account are read one after the other: readings this close are one, its last counts."""

READ_BEFORE = dt.timedelta(minutes=60)
READ_AFTER = dt.timedelta(minutes=30)
"""A past day says something of a time of day when it was read within these around it."""

PRIOR_DAYS = 2.0
"""Weight, in days, of all days against those of the week's part, and of that against the weekday's own."""

NIGHT_HOUR = 0.01
"""Share of a day that the hour delivers which comes twice, or not at all, when the clock is turned."""

LEAST_DEVIATION = 0.02
SMALLEST_SHARE = 0.001
"""A share of nothing has no log."""

SATURDAY = 6
_DAY = ("config_id", "date")
_ROW = ("config_id", "entity_type", "entity_id", "date", "window_days")

READINGS: Schema = {"config_id": pl.Int64(), "known_at": UTC}
"""The moments at which figures of an account were read; repeated ones do no harm."""

MOMENTS: Schema = {"config_id": pl.Int64(), "date": pl.Date(), "until": UTC}
"""For each day of an account, the moment until which its versions count."""


def learn_day_shares(
    versions: pl.DataFrame, accounts: pl.DataFrame, dates: Sequence[dt.date], now: dt.datetime
) -> pl.DataFrame:
    """The days among `dates` that are not over at `now` in their accounts' time zones, in RUNNING_DAYS.

    `versions` (INSIGHTS) are those of the running days and of the `HISTORY_DAYS` before, at the topmost level
    that each account delivers at least; what was read after `now` is not looked at.
    """
    known = versions.filter(pl.col("known_at") <= now)
    readings = known.filter(pl.col("date") >= first_read_day(now))
    return with_day_shares(find_running_days(readings, accounts, dates, now), known, accounts)


def first_read_day(now: dt.datetime) -> dt.date:
    """The first day whose figures tell when an account was read: yesterday, wherever it is.

    A reading shows only in figures that it changed. Those of the day before, which still change, tell of
    readings where the running day stands still.
    """
    return now.astimezone(dt.UTC).date() - dt.timedelta(days=2)


def find_running_days(
    readings: pl.DataFrame, accounts: pl.DataFrame, dates: Sequence[dt.date], now: dt.datetime
) -> pl.DataFrame:
    """The days of `dates` that are not over at `now`, per account (ACCOUNTS), in RUNNING_DAYS without shares.

    `judged_until` is the last of the account's `readings` (READINGS) that is `UNREPORTED` older than the
    newest. It is null, with the `reason`, where the day has no such reading.
    """
    zones, timezone = zones_of(accounts), pl.col("timezone")
    moment = pl.lit(now.astimezone(dt.UTC), dtype=UTC)
    days = (
        accounts.select("config_id", timezone.fill_null("UTC"))
        .join(pl.DataFrame({"date": sorted(set(dates))}, schema={"date": pl.Date()}), how="cross")
        .with_columns(
            today=local_date(moment, timezone, zones), begins=day_start(pl.col("date"), timezone, zones)
        )
        .filter(pl.col("date") >= pl.col("today"))
        .join(_judged_readings(readings.filter(pl.col("known_at") <= moment)), on="config_id", how="left")
    )
    not_begun = pl.col("date") > pl.col("today")
    reason = (
        pl.when(not_begun)
        .then(pl.format("{} has not begun yet ({}).", pl.col("date").dt.to_string(), timezone))
        .when((pl.col("newest") > pl.col("begins")).fill_null(value=False).not_())
        .then(
            pl.format(
                "No figure was read since {} began ({}): the running day is not judged.",
                pl.col("date").dt.to_string(),
                timezone,
            )
        )
        .when((pl.col("judged_until") > pl.col("begins")).fill_null(value=False).not_())
        .then(
            pl.format(
                "No reading of {} ({}) is {} hours older than the newest one, and Meta reports late: the "
                "running day is not judged yet.",
                pl.col("date").dt.to_string(),
                timezone,
                pl.lit(UNREPORTED // dt.timedelta(hours=1)),
            )
        )
    )
    judged = days.with_columns(reason=reason).with_columns(
        judged_until=pl.when(pl.col("reason").is_null()).then("judged_until")
    )
    return fill_missing(judged.sort(_DAY), RUNNING_DAYS)


def _judged_readings(readings: pl.DataFrame) -> pl.DataFrame:
    """config_id, newest, judged_until: the newest reading, and the last one old enough to be judged.

    That is one that no other follows at once, if there is such a one: its levels have all been read.
    """
    following = pl.col("known_at").shift(-1).over("config_id")
    is_old = pl.col("known_at") <= pl.col("newest") - UNREPORTED
    is_whole = following - pl.col("known_at") > ONE_READING
    return (
        conform(readings, READINGS, "readings")
        .unique()
        .sort("config_id", "known_at")
        .with_columns(newest=pl.col("known_at").max().over("config_id"), is_whole=is_whole)
        .group_by("config_id")
        .agg(
            pl.col("newest").first(),
            judged_until=pl.coalesce(
                pl.col("known_at").filter(is_old & pl.col("is_whole")).max(),
                pl.col("known_at").filter(is_old).max(),
            ),
        )
    )


def past_moments(running: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """The same time of day on the days before, a little later than `judged_until` by the clock, in MOMENTS.

    By the clock also where it is turned, since delivery follows people's day.
    """
    zones, timezone = zones_of(accounts), pl.col("timezone")
    judged = running.filter(pl.col("judged_until").is_not_null()).join(
        accounts.select("config_id", timezone.fill_null("UTC")), on="config_id"
    )
    since_midnight = local_clock(pl.col("judged_until"), timezone, zones) - pl.col("date").cast(
        pl.Datetime("us")
    )
    past = (
        judged.with_columns(since_midnight=since_midnight)
        .join(
            pl.DataFrame({"back": range(1, HISTORY_DAYS + 1)}, schema={"back": pl.Int64()}),
            how="cross",
        )
        .with_columns(date=pl.col("date") - pl.duration(days="back"))
    )
    clock = pl.col("date").cast(pl.Datetime("us")) + pl.col("since_midnight")
    until = moment_of(clock, timezone, zones) + READ_AFTER
    return conform(past.with_columns(until=until), MOMENTS).sort(_DAY)


def with_day_shares(running: pl.DataFrame, versions: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """`running` (RUNNING_DAYS) with `share` and `deviation`; `reason` where they cannot be learnt.

    `versions` (INSIGHTS, or its columns key, date, window_days, known_at, spend) holds of each past day at
    least the newest version of each row and the newest one until its moment of `past_moments`; more change
    nothing. The share is the median over past days, those of the weekday drawn towards those of working
    days or weekends, and these towards all. The deviation is that of the entities around it, by their spend.
    """
    moments = past_moments(running, accounts)
    entities = _entity_days(versions, moments)
    days = _account_days(entities)
    shares = _expected(days)
    # A day that was not read at that time says nothing of its entities either.
    entities = entities.join(days, on=_DAY, how="semi")
    learnt = (
        running.drop("share", "deviation")
        .with_columns(weekday=pl.col("date").dt.weekday())
        .join(shares, on=["config_id", "weekday"], how="left")
        .join(_deviations(entities, shares), on="config_id", how="left")
        .join(accounts.select("config_id", pl.col("timezone").fill_null("UTC")), on="config_id", how="left")
        .with_columns(
            pl.col("days").fill_null(0),
            share=_where_the_clock_is_turned(accounts),
            deviation=(pl.col("deviation") * (1 + 1 / (pl.col("own_days") + PRIOR_DAYS)).sqrt()).clip(
                lower_bound=LEAST_DEVIATION
            ),
        )
    )
    clock = local_clock(pl.col("judged_until"), pl.col("timezone"), zones_of(accounts)).dt.to_string("%H:%M")
    reason = (
        pl.when(pl.col("judged_until").is_null())
        .then("reason")
        .when(pl.col("days") < LEAST_DAYS)
        .then(
            pl.format(
                "{} of the {} days before were read at about {} ({}), and {} are needed to know what share "
                "of a day is delivered by then: the running day is not judged.",
                pl.when(pl.col("days") == 0).then(pl.lit("None")).otherwise(pl.format("Only {}", "days")),
                pl.lit(HISTORY_DAYS),
                clock,
                "timezone",
                pl.lit(LEAST_DAYS),
            )
        )
        .when(pl.col("share") < LEAST_SHARE)
        .then(
            pl.format(
                "By {} ({}) only {} % of a day is delivered as a rule: too little to judge the running day.",
                clock,
                "timezone",
                (100 * pl.col("share")).round(1),
            )
        )
    )
    judged = learnt.with_columns(reason=reason).with_columns(
        pl.when(pl.col("reason").is_null()).then(name).alias(name)
        for name in ("judged_until", "share", "deviation")
    )
    return conform(judged.sort(_DAY), RUNNING_DAYS)


def _where_the_clock_is_turned(accounts: pl.DataFrame) -> pl.Expr:
    """`share`, learnt by the clock, on days of 23 and 25 hours too."""
    zones, date, timezone = zones_of(accounts), pl.col("date"), pl.col("timezone")
    begins, hour = day_start(date, timezone, zones), dt.timedelta(hours=1)
    by_clock = local_clock(pl.col("judged_until"), timezone, zones) - date.cast(pl.Datetime("us"))
    turned = (pl.col("judged_until") - begins - by_clock) / hour
    longer = (day_end(date, timezone, zones) - begins) / hour - 24
    return (pl.col("share") + NIGHT_HOUR * turned) / (1 + NIGHT_HOUR * longer)


def figures_until(versions: pl.DataFrame, running: pl.DataFrame) -> pl.DataFrame:
    """Of the running days that are judged, each row's newest version read until `judged_until`.

    `versions` in INSIGHTS; so is the result, sorted by key. A day that is not judged has no row.
    """
    judged = running.filter(pl.col("judged_until").is_not_null()).select(*_DAY, "judged_until")
    return (
        versions.join(judged, on=list(_DAY))
        .filter(pl.col("known_at") <= pl.col("judged_until"))
        .sort(*_ROW, "known_at")
        .unique(_ROW, keep="last", maintain_order=True)
        .drop("judged_until")
    )


def _entity_days(versions: pl.DataFrame, moments: pl.DataFrame) -> pl.DataFrame:
    """Spend of each entity until the moment of a past day and in all, of the topmost level delivered."""
    depth = pl.col("entity_type").replace_strict(
        [level.value for level in LEVELS], list(range(len(LEVELS))), return_dtype=pl.Int8
    )
    in_micros = (pl.col("spend") * MICROS).round().cast(pl.Int64)
    is_seen = pl.col("known_at") <= pl.col("until")
    return (
        versions.filter(pl.col("window_days") == 1)
        .join(moments, on=list(_DAY))
        .filter(depth == depth.min().over("config_id"))
        .select(*_DAY, "entity_id", "known_at", "until", spend=in_micros)
        .sort(*_DAY, "entity_id", "known_at")
        .group_by(*_DAY, "entity_id", maintain_order=True)
        .agg(
            pl.col("until").first(),
            so_far=pl.col("spend").filter(is_seen).last().fill_null(0),
            final=pl.col("spend").last().fill_null(0),
            read_at=pl.col("known_at").filter(is_seen).last(),
        )
    )


def _log_share() -> pl.Expr:
    return (pl.col("so_far") / pl.col("final")).clip(SMALLEST_SHARE, 1.0).log()


def _account_days(entities: pl.DataFrame) -> pl.DataFrame:
    """config_id, date, log_share of the past days that were read at about that time.

    Where all of the day's spend was there already, it does not matter how long before.
    """
    return (
        entities.group_by(_DAY)
        .agg(pl.col("so_far", "final").sum(), pl.col("until", "read_at").max())
        .filter(
            pl.col("final") > 0,
            (pl.col("read_at") >= pl.col("until") - READ_AFTER - READ_BEFORE)
            | (pl.col("so_far") == pl.col("final")),
        )
        .select(*_DAY, log_share=_log_share())
        .sort(_DAY)
    )


def _expected(days: pl.DataFrame) -> pl.DataFrame:
    """config_id, weekday (1 Monday), days, own_days, share: what to expect on each day of the week."""
    weekday = pl.col("date").dt.weekday()
    days = days.with_columns(weekday=weekday, is_weekend=weekday >= SATURDAY)
    middle, count = pl.col("log_share").median(), pl.len().cast(pl.Float64)
    week = pl.DataFrame({"weekday": range(1, 8)}, schema={"weekday": pl.Int8()}).with_columns(
        is_weekend=pl.col("weekday") >= SATURDAY
    )

    def drawn(own: str, own_count: str, towards: str) -> pl.Expr:
        weight = pl.col(own_count).fill_null(0.0)
        return (pl.col(own).fill_null(0.0) * weight + pl.col(towards) * PRIOR_DAYS) / (weight + PRIOR_DAYS)

    return (
        days.group_by("config_id")
        .agg(everyday=middle, days=pl.len().cast(pl.Int64))
        .join(week, how="cross")
        .join(
            days.group_by("config_id", "is_weekend").agg(part=middle, part_days=count),
            on=["config_id", "is_weekend"],
            how="left",
        )
        .join(
            days.group_by("config_id", "weekday").agg(own=middle, own_days=count),
            on=["config_id", "weekday"],
            how="left",
        )
        .with_columns(part=drawn("part", "part_days", "everyday"))
        .select(
            "config_id",
            "weekday",
            "days",
            pl.col("own_days").fill_null(0.0),
            share=drawn("own", "own_days", "part").exp(),
        )
    )


def _deviations(entities: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    """config_id, deviation: how far the log share of an entity's day lies from the one expected.

    Weighted by spend; from the inner 68 % or the inner 95 %, whichever says more, so that a few days on which
    an entity was switched on or off do not make the rest look uncertain.
    """
    strayed = (
        entities.filter(pl.col("final") > 0)
        .with_columns(weekday=pl.col("date").dt.weekday())
        .join(shares, on=["config_id", "weekday"])
        .select("config_id", "final", off=(_log_share() - pl.col("share").log()).abs())
        .sort("config_id", "off")
        .with_columns(
            within=pl.col("final").cum_sum().over("config_id") / pl.col("final").sum().over("config_id")
        )
    )
    inner, wide = (
        pl.col("off").filter(pl.col("within") >= share).min() / widths
        for share, widths in ((0.6827, 1), (0.9545, 2))
    )
    return strayed.group_by("config_id").agg(deviation=pl.max_horizontal(inner, wide))
