"""Entities and their versions as rows: what each campaign, adset and ad was, from when on."""

import datetime as dt

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.frames import ENTITIES, ENTITY_VERSIONS, UTC, conform, fill_missing
from ml_assets.sources.synthetic.config import SyntheticConfig
from ml_assets.sources.synthetic.management import LEARNING, STATUS, Management
from ml_assets.sources.synthetic.targeting import Descriptions
from ml_assets.sources.synthetic.tree import Tree

FIRST_CREATIVE = 880_000_000_000_000
CREATIVES_PER_AD = 10
CLICK_ATTRIBUTION_SHARE = 0.1
"""Adsets that count conversions after a click alone."""
CREATION_HOUR = 12
"""Local hour at which what is older than the period was created."""

STATE = {
    EntityType.CAMPAIGN: ("status", "effective_status", "daily_budget", "lifetime_budget", "target_cpl"),
    EntityType.ADSET: (
        "status", "effective_status", "daily_budget", "lifetime_budget", "optimization_goal",
        "attribution_setting", "learning_status", "last_significant_edit_at",
    ),
    EntityType.AD: ("status", "effective_status", "creative_id"),
}  # fmt: skip
"""The watched fields of a level; those of an adset hold its targeting too."""


def _instant(config: SyntheticConfig, day: np.ndarray, hour: np.ndarray) -> pl.Series:
    """UTC instants of local hours (8-19, where no clock is ever turned) of days before or in the period."""
    local = (np.datetime64(config.first_day, "D") + day).astype("datetime64[us]") + (
        hour * 3_600_000_000
    ).astype("timedelta64[us]")
    return pl.Series(local).dt.replace_time_zone(config.timezone).dt.convert_time_zone("UTC")


def _states(management: Management, level: EntityType) -> list[np.ndarray]:
    states = [management.effective[level], management.paused[level]]
    if level in management.budget:
        states.append(np.nan_to_num(management.budget[level], nan=-1.0))
    if level is EntityType.ADSET:
        states += [management.learning, management.last_edit]
    if level is EntityType.AD:
        states.append(management.creative)
    return states


def make_versions(
    config: SyntheticConfig, tree: Tree, management: Management, descriptions: Descriptions, level: EntityType
) -> pl.DataFrame:
    """Every version of a level: entity_id, known_at, created_time, its `STATE` columns and `fields`.

    Sorted by entity and time; the first version of an entity is its creation.
    """
    of_level = tree.levels[level]
    day = np.arange(config.days)
    changed = np.zeros((len(of_level), config.days), dtype=bool)
    for state in _states(management, level):
        changed[:, 1:] |= state[:, 1:] != state[:, :-1]
    changed &= day > of_level.launch[:, None]
    changed[np.arange(len(of_level)), of_level.launch] = True
    entity, day = np.nonzero(changed)

    campaign = of_level.campaign[entity]
    before = of_level.created_days_before
    hour = management.hour[campaign, day]
    is_old = (day == 0) & (before[entity] > 0)
    known_at = _instant(config, np.where(is_old, -before[entity], day), np.where(is_old, CREATION_HOUR, hour))
    launch_hour = management.hour[of_level.campaign, of_level.launch]
    created = _instant(
        config,
        np.where(before > 0, -before, of_level.launch),
        np.where(before > 0, CREATION_HOUR, launch_hour),
    )
    columns: dict[str, pl.Series | np.ndarray] = {
        "entity_id": of_level.ids.gather(entity),
        "index": entity,
        "known_at": known_at,
        "created_time": created.gather(entity),
        "status": pl.Series(STATUS).gather(management.paused[level][entity, day].astype(np.int64)),
        "effective_status": pl.Series(STATUS).gather(management.effective[level][entity, day]),
    }
    if level in management.budget:
        columns["daily_budget"] = pl.Series(management.budget[level][entity, day]).fill_nan(None)
    if level is EntityType.ADSET:
        edit = management.last_edit[entity, day]
        edited = _instant(config, np.maximum(edit, 0), management.hour[campaign, np.maximum(edit, 0)])
        rng = config.rng("adset settings")
        goal = pl.Series(("LEAD_GENERATION", "OFFSITE_CONVERSIONS", "LINK_CLICKS"))
        seeks = tree.seeks_leads[tree.adsets.campaign]
        goals = np.where(seeks, rng.integers(0, 2, config.adsets), 2)
        clicks_only = (rng.random(config.adsets) < CLICK_ATTRIBUTION_SHARE).astype(np.int64)
        columns |= {
            "optimization_goal": goal.gather(goals[entity]),
            "attribution_setting": pl.Series(("7d_click_1d_view", "1d_click")).gather(clicks_only[entity]),
            "learning_status": pl.Series(LEARNING).gather(management.learning[entity, day]),
            "last_significant_edit_at": pl.DataFrame(
                {"edited": edited, "edit": edit, "old": columns["created_time"]}
            )
            .select(pl.when(pl.col("edit") >= 0).then("edited").otherwise("old"))
            .to_series(),
            "targeting": descriptions.targeting.gather(entity),
        }
    if level is EntityType.AD:
        number = FIRST_CREATIVE + entity * CREATIVES_PER_AD + management.creative[entity, day]
        columns["creative_id"] = pl.Series(number).cast(pl.String)
    if level is EntityType.CAMPAIGN:
        columns["target_cpl"] = _targets(config).gather(entity)
    return _with_fields(pl.DataFrame(columns), level)


def _targets(config: SyntheticConfig) -> pl.Series:
    rng = config.rng("targets")
    target = np.round(config.base_cpl * rng.uniform(0.8, 1.3, config.campaigns))
    has_one = rng.random(config.campaigns) < config.campaign_target_share
    return pl.Series(np.where(has_one, target, np.nan)).fill_nan(None)


def _with_fields(versions: pl.DataFrame, level: EntityType) -> pl.DataFrame:
    """Adds `fields`, the JSON of the watched fields, with the targeting as an object in it."""
    versions = versions.with_columns(
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in ENTITIES.items()
        if name in STATE[level] and name not in versions.columns
    )
    as_text = [
        pl.col(name).dt.to_string("iso:strict").alias(name) if versions.schema[name] == UTC else pl.col(name)
        for name in STATE[level]
    ]
    fields = pl.struct(as_text).struct.json_encode()
    if level is EntityType.ADSET:
        fields = fields.str.strip_suffix("}") + ',"targeting":' + pl.col("targeting") + "}"
    return versions.with_columns(fields=fields)


def version_rows(versions: dict[EntityType, pl.DataFrame], known_at: dt.datetime) -> pl.DataFrame:
    """All versions up to `known_at` in the schema of entity versions."""
    return pl.concat(
        conform(
            frame.filter(pl.col("known_at") <= known_at).with_columns(
                config_id=pl.lit(None, dtype=pl.Int64()), entity_type=pl.lit(level.value)
            ),
            ENTITY_VERSIONS,
            "entity versions",
        )
        for level, frame in versions.items()
    )


def entity_rows(
    tree: Tree,
    descriptions: Descriptions,
    versions: dict[EntityType, pl.DataFrame],
    known_at: dt.datetime,
) -> pl.DataFrame:
    """All entities created up to `known_at` in the schema of entities, as they were then."""
    names = {
        EntityType.CAMPAIGN: descriptions.campaign_names,
        EntityType.ADSET: descriptions.adset_names,
        EntityType.AD: descriptions.ad_names,
    }
    objective = np.where(tree.seeks_leads, "OUTCOME_LEADS", "OUTCOME_TRAFFIC")
    frames: list[pl.DataFrame] = []
    for level, frame in versions.items():
        of_level = tree.levels[level]
        static: dict[str, pl.Series | np.ndarray] = {
            "index": np.arange(len(of_level)),
            "name": names[level],
            "campaign_id": tree.campaigns.ids.gather(of_level.campaign),
        }
        if level.parent is not None:
            static["parent_id"] = tree.levels[level.parent].ids.gather(of_level.parent)
        if level is EntityType.CAMPAIGN:
            static["objective"] = objective
        latest = (
            frame.filter(pl.col("known_at") <= known_at)
            .unique("index", keep="last", maintain_order=True)
            .join(pl.DataFrame(static), on="index", how="left", maintain_order="left")
            .with_columns(entity_type=pl.lit(level.value), synced_at=pl.lit(known_at, dtype=UTC))
        )
        if level is not EntityType.AD:
            latest = latest.with_columns(
                start_time=pl.col("created_time"), bid_strategy=pl.lit("LOWEST_COST_WITHOUT_CAP")
            )
        frames.append(fill_missing(latest, ENTITIES))
    return pl.concat(frames)
