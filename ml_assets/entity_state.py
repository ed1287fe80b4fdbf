"""What an entity was on a past date: active or not, its budgets, targeting and learning state.

Pure: frames in, frames out. The versions are read and written by `ml_assets.storage`.
"""

from collections.abc import Sequence

import polars as pl

from ml_assets.entities import EntityType
from ml_assets.frames import KEY, UTC, Schema, conform
from ml_assets.local_days import day_end, zones_of

ACTIVE = "ACTIVE"

RECENT_DAYS = 3
"""Where nothing tells the status, an entity that delivered within so many days counts as active."""

WATCHED: Schema = {
    "status": pl.String(),
    "effective_status": pl.String(),
    "daily_budget": pl.Float64(),
    "lifetime_budget": pl.Float64(),
    "bid_strategy": pl.String(),
    "objective": pl.String(),
    "optimization_goal": pl.String(),
    "attribution_setting": pl.String(),
    "targeting": pl.String(),
    "learning_status": pl.String(),
    "last_significant_edit_at": UTC,
}
"""Fields of an entity whose changes are kept in `ads_entity_versions`."""

_ANY_LEVEL = ("status", "effective_status")
_BUDGETS = ("daily_budget", "lifetime_budget", "bid_strategy")

WATCHED_OF: dict[EntityType, tuple[str, ...]] = {
    EntityType.CAMPAIGN: (*_ANY_LEVEL, *_BUDGETS, "objective"),
    EntityType.ADSET: (
        *_ANY_LEVEL,
        *_BUDGETS,
        "optimization_goal",
        "attribution_setting",
        "targeting",
        "learning_status",
        "last_significant_edit_at",
    ),
    EntityType.AD: _ANY_LEVEL,
}
"""The watched fields each level has."""

STATE: Schema = {
    **KEY,
    "date": pl.Date(),
    "is_active": pl.Boolean(),
    "status": pl.String(),
    "effective_status": pl.String(),
    "daily_budget": pl.Float64(),
    "lifetime_budget": pl.Float64(),
    "targeting": pl.String(),
    "learning_status": pl.String(),
    "last_significant_edit_at": UTC,
    "attribution_setting": pl.String(),
    "optimization_goal": pl.String(),
}
"""One row per entity and date."""

_KEY = tuple(KEY)
_DAY = (*_KEY, "date")


def decode_fields(versions: pl.DataFrame) -> pl.DataFrame:
    """`versions` with one typed column per watched field instead of the JSON in `fields`.

    A field that is absent or null in the JSON is null. Times are ISO texts or seconds since 1970.
    """
    # Each text is parsed once: many versions say the same, and parsing costs more than all the rest.
    texts = (
        versions.select("fields")
        .unique()
        .with_columns(pl.col("fields").str.json_path_match(f"$.{name}").alias(name) for name in WATCHED)
    )
    edited = pl.col("last_significant_edit_at")
    plain = edited.str.replace("Z$", "+00:00")
    decoded = texts.with_columns(
        pl.col("daily_budget", "lifetime_budget").cast(pl.Float64, strict=False),
        pl.coalesce(
            plain.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", strict=False, time_unit="us", time_zone="UTC"),
            plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", strict=False, time_unit="us", time_zone="UTC"),
            plain.str.replace("T", " ")
            .str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
            .dt.replace_time_zone("UTC"),
            pl.from_epoch(edited.cast(pl.Int64, strict=False))
            .cast(pl.Datetime("us"))
            .dt.replace_time_zone("UTC"),
        ).alias("last_significant_edit_at"),
    )
    return versions.join(decoded, on="fields", how="left", nulls_equal=True, maintain_order="left").drop(
        "fields"
    )


def encode_fields(entities: pl.DataFrame, entity_type: EntityType) -> pl.Series:
    """The JSON of the watched fields of entities of one level, as `decode_fields` reads it."""

    def value(name: str) -> pl.Expr:
        if name == "targeting":  # is JSON already
            return pl.col(name).fill_null("null")
        text = pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ") if WATCHED[name] == UTC else pl.col(name)
        return pl.struct(text.alias("x")).struct.json_encode().str.strip_prefix('{"x":').str.strip_suffix("}")

    pairs = [pl.concat_str(pl.lit(f'"{name}":'), value(name)) for name in WATCHED_OF[EntityType(entity_type)]]
    return entities.select(
        pl.concat_str(pl.lit("{"), pl.concat_str(pairs, separator=","), pl.lit("}")).alias("fields")
    )["fields"]


def state_as_of(
    entities: pl.DataFrame,
    versions: pl.DataFrame,
    accounts: pl.DataFrame,
    dates: Sequence[object] | pl.Series,
    delivered: pl.DataFrame,
) -> pl.DataFrame:
    """What every entity of `entities` was at the end of each account-local day of `dates`, in STATE.

    `entities` in ENTITIES, `versions` in ENTITY_VERSIONS, `accounts` in ACCOUNTS, `delivered` holds
    the (key, date) with impressions; from `RECENT_DAYS` before the first date on. Sorted by key, date.

    The fields are those of the newest version known by the end of the day. Before an entity's first
    version they are null and it is active on the days it delivered. An entity without any version is
    as its row says; where that says nothing either, it is active if it delivered on the date or the
    `RECENT_DAYS` - 1 days before. A status comes from `effective_status`, where there is none from
    `status`, and then only counts together with active parents.
    """
    zones = zones_of(accounts)
    days = (
        entities.select(*_KEY, "parent_id")
        .join(pl.DataFrame({"date": pl.Series(dates, dtype=pl.Date).unique()}), how="cross")
        .join(accounts.select("config_id", pl.col("timezone").fill_null("UTC")), on="config_id", how="left")
        .with_columns(pl.col("timezone").fill_null("UTC"))
        .with_columns(day_end(pl.col("date"), pl.col("timezone"), sorted({*zones, "UTC"})).alias("ends_at"))
    )
    known = decode_fields(versions.sort("known_at")).with_columns(has_version=pl.lit(value=True))
    at_day = days.sort("ends_at").join_asof(
        known.with_columns(
            # Known by the end of the day: midnight itself belongs to the next day.
            (pl.col("known_at") + pl.duration(microseconds=1)).alias("known_at")
        ).sort("known_at"),
        left_on="ends_at",
        right_on="known_at",
        by=list(_KEY),
        strategy="backward",
        check_sortedness=False,
    )
    fields = [name for name in WATCHED if name in STATE]
    joined = (
        at_day.join(versions.select(_KEY).unique().with_columns(ever=pl.lit(value=True)), on=_KEY, how="left")
        .join(
            entities.select(*_KEY, *(pl.col(name).alias(f"_{name}") for name in fields)), on=_KEY, how="left"
        )
        .join(_recent(delivered), on=_DAY, how="left")
        .with_columns(pl.col("ever", "has_version", "on_day", "recently").fill_null(value=False))
        .with_columns(
            pl.when("has_version").then(name).when(~pl.col("ever")).then(f"_{name}").alias(name)
            for name in fields
        )
    )
    status = pl.coalesce("effective_status", "status")
    own = joined.with_columns(
        pl.when(pl.col("ever") & ~pl.col("has_version"))
        .then("on_day")
        .when(status.is_not_null())
        .then(status.str.to_uppercase() == ACTIVE)
        .otherwise("recently")
        .alias("is_active"),
        # Only where a plain status tells can a paused parent be hidden behind it.
        asks_parent=pl.col("effective_status").is_null() & pl.col("status").is_not_null(),
    )
    return conform(_with_parents(own), STATE, "entity state").sort(_DAY)


def _recent(delivered: pl.DataFrame) -> pl.DataFrame:
    """(key, date) -> delivered on that date, delivered on it or shortly before."""
    ahead = pl.DataFrame({"ahead": range(RECENT_DAYS)}, schema={"ahead": pl.Int64})
    return (
        delivered.select(_DAY)
        .unique()
        .join(ahead, how="cross")
        .with_columns(pl.col("date") + pl.duration(days="ahead"))
        .group_by(_DAY)
        .agg((pl.col("ahead") == 0).any().alias("on_day"))
        .with_columns(recently=pl.lit(value=True))
    )


def _with_parents(own: pl.DataFrame) -> pl.DataFrame:
    """A child whose plain status is ACTIVE is active only under active parents, from the top down."""
    levels: list[pl.DataFrame] = []
    above: pl.DataFrame | None = None
    for level in EntityType:
        frame = own.filter(pl.col("entity_type") == level.value)
        if above is not None:
            parents = above.select(
                "config_id",
                pl.col("entity_id").alias("parent_id"),
                "date",
                pl.col("is_active").alias("parent_is_active"),
            )
            frame = (
                frame.join(parents, on=["config_id", "parent_id", "date"], how="left")
                .with_columns(
                    pl.when(pl.col("asks_parent") & ~pl.col("parent_is_active").fill_null(value=True))
                    .then(pl.lit(value=False))
                    .otherwise("is_active")
                    .alias("is_active")
                )
                .drop("parent_is_active")
            )
        levels.append(frame)
        above = frame
    return pl.concat(levels)
