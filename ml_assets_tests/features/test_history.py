"""The history of whole levels says of every entity and date what `state_as_of` says."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_assets.entities import LEVELS, EntityType
from ml_assets.entity_state import RECENT_DAYS, state_as_of
from ml_assets.features.grid import Groups
from ml_assets.features.history import LevelHistory, level_history
from ml_assets.frames import ACCOUNTS, ENTITIES, ENTITY_VERSIONS
from ml_assets_tests.features.frames_made import D, Row, account, ad, adset, campaign, day, frame

ZONES = ("UTC", "America/Sao_Paulo", "Asia/Tokyo", None)
DATES = [day(back) for back in (30, 21, 20, 9, 4, 1, 0)]
WORDS = ("ACTIVE", "PAUSED", "active", None)


def one_of(rng: np.random.Generator, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]


def random_tree(rng: np.random.Generator) -> list[Row]:
    """One to three children each, statuses known or not."""
    made: list[Row] = []
    for config_id in (1, 2):
        for c in range(2):
            made.append(campaign(f"c{c}", config_id))
            for s in range(int(rng.integers(1, 3))):
                made.append(adset(f"s{c}{s}", f"c{c}", config_id))
                made += [
                    ad(f"a{c}{s}{a}", f"s{c}{s}", f"c{c}", config_id) for a in range(int(rng.integers(1, 3)))
                ]
    for row in made:
        row["status"] = one_of(rng, WORDS)
        row["effective_status"] = one_of(rng, [*WORDS, "CAMPAIGN_PAUSED"])
        row["daily_budget"] = one_of(rng, [None, 10.0, 20.0])
        row["learning_status"] = one_of(rng, [None, "LEARNING", "SUCCESS"])
    return made


def random_versions(rng: np.random.Generator, tree: list[Row]) -> list[Row]:
    midnight = dt.datetime.combine(day(32), dt.time(), dt.UTC)
    made: list[Row] = []
    for row in tree:
        hours = rng.choice(34 * 24, size=int(rng.integers(0, 5)), replace=False)
        for hour in hours:
            fields = {
                "status": one_of(rng, WORDS),
                "effective_status": one_of(rng, WORDS),
                "daily_budget": one_of(rng, [None, 5.0, 15.0]),
                "learning_status": one_of(rng, [None, "LEARNING"]),
            }
            made.append(
                {
                    **{name: row[name] for name in ("config_id", "entity_type", "entity_id")},
                    "known_at": midnight + dt.timedelta(hours=int(hour)),
                    "fields": json.dumps(fields),
                }
            )
    return made


@pytest.mark.parametrize("seed", range(12))
def test_it_agrees_with_the_state_of_each_entity_and_date(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = random_tree(rng)
    entities, versions = frame(tree, ENTITIES), frame(random_versions(rng, tree), ENTITY_VERSIONS)
    zone = ZONES[seed % len(ZONES)]
    accounts = frame([account(1, timezone=zone), account(2)], ACCOUNTS)
    days = pl.DataFrame({"date": [day(back) for back in range(35)]})
    delivered = entities.select("config_id", "entity_type", "entity_id").join(days, how="cross")
    delivered = delivered.sample(fraction=0.3, seed=seed)
    expected = state_as_of(entities, versions, accounts, DATES, delivered)
    key = ["config_id", "entity_id"]
    above: np.ndarray | None = None
    above_keys: pl.DataFrame | None = None
    for level in LEVELS:
        keys = entities.filter(pl.col("entity_type") == level.value).sort(key)
        history = level_history(entities, versions, accounts, level, keys.select(key), DATES)
        on_day, recently = (_delivered(delivered, keys, level, days) for days in (1, RECENT_DAYS))
        parent = Groups(np.zeros(keys.height, dtype=np.int64), 1)
        if above_keys is not None:
            rows = above_keys.select("config_id", parent_id="entity_id", row=pl.int_range(pl.len()))
            placed = keys.join(rows, on=["config_id", "parent_id"], how="left", maintain_order="left")
            parent = Groups(placed["row"].cast(pl.Int64).to_numpy(), above_keys.height)
        active = history.is_active(on_day, recently, above, parent)
        told = expected.filter(pl.col("entity_type") == level.value).sort(*key, "date")
        np.testing.assert_array_equal(active.ravel(), told["is_active"].to_numpy())
        np.testing.assert_array_equal(
            history.numbers("daily_budget").ravel(), told["daily_budget"].fill_null(np.nan).to_numpy()
        )
        for name, word in (("learning_status", "LEARNING"), ("status", "ACTIVE")):
            is_word = (told[name].str.to_uppercase() == word).fill_null(value=False)
            np.testing.assert_array_equal(history.is_word(name, word).ravel(), is_word.to_numpy())
        above, above_keys = active, keys


def _delivered(delivered: pl.DataFrame, keys: pl.DataFrame, level: EntityType, days: int) -> np.ndarray:
    pairs = set(
        delivered.filter(pl.col("entity_type") == level.value).select("config_id", "entity_id", "date").rows()
    )
    return np.array(
        [
            [any((*key, date - dt.timedelta(days=back)) in pairs for back in range(days)) for date in DATES]
            for key in keys.select("config_id", "entity_id").rows()
        ]
    )


def history_of(versions: list[Row], dates: list[dt.date], zone: str = "UTC", **now: Any) -> LevelHistory:
    entities = frame([adset("s1", "c1", **now)], ENTITIES)
    keys = entities.select("config_id", "entity_id")
    accounts = frame([account(timezone=zone)], ACCOUNTS)
    return level_history(entities, frame(versions, ENTITY_VERSIONS), accounts, EntityType.ADSET, keys, dates)


def version(at: dt.datetime, **fields: Any) -> Row:
    return {
        "config_id": 1, "entity_type": "adset", "entity_id": "s1", "known_at": at,
        "fields": json.dumps(fields),
    }  # fmt: skip


def noon(back: int) -> dt.datetime:
    return dt.datetime.combine(day(back), dt.time(12), dt.UTC)


def test_the_first_version_is_no_edit_and_a_change_of_delivery_is_none_either() -> None:
    versions = [
        version(noon(9), status="ACTIVE", daily_budget=10.0, learning_status="LEARNING"),
        version(noon(7), status="ACTIVE", daily_budget=10.0, learning_status="SUCCESS"),
        version(noon(5), status="ACTIVE", daily_budget=12.0, learning_status="SUCCESS"),
        version(noon(3), status="ACTIVE", daily_budget=12.0, effective_status="CAMPAIGN_PAUSED"),
    ]
    dates = [day(back) for back in (10, 8, 6, 5, 2)]
    edited = history_of(versions, dates).edited_at()[0]
    moment = int(noon(5).timestamp()) * 1_000_000
    assert edited.tolist() == [np.iinfo(np.int64).min] * 3 + [moment] * 2


def test_the_significant_edit_that_meta_tells_counts_too() -> None:
    told = noon(6)
    versions = [version(noon(5), status="ACTIVE", last_significant_edit_at=told.isoformat())]
    edited = history_of(versions, [day(6), day(5)]).edited_at()[0]
    assert edited.tolist() == [np.iinfo(np.int64).min, int(told.timestamp()) * 1_000_000]


def test_a_version_counts_from_the_day_it_was_known_where_the_account_is() -> None:
    at = dt.datetime.combine(day(4), dt.time(2), dt.UTC)
    dates = [day(5), day(4)]
    at_home = history_of([version(at, daily_budget=7.0)], dates, "America/Sao_Paulo", daily_budget=9.0)
    assert at_home.numbers("daily_budget")[0].tolist() == [7.0, 7.0]
    far = history_of([version(at, daily_budget=7.0)], dates, "UTC", daily_budget=9.0)
    np.testing.assert_array_equal(far.numbers("daily_budget")[0], [np.nan, 7.0])


def test_where_not_even_the_status_is_known_the_budget_of_now_stands_in() -> None:
    later = [version(noon(1), status="ACTIVE", daily_budget=7.0)]
    assert history_of(later, [day(5), D], daily_budget=9.0).budget("daily_budget")[0].tolist() == [9.0, 7.0]
    assert history_of([], [D], daily_budget=9.0).has_budget()[0, 0]
