"""Which upstream partitions each asset needs, asked of the graph as Dagster asks it."""

import datetime as dt

import dagster as dg
import pytest

from ml_assets.defs.assets.classifications import classifications
from ml_assets.defs.assets.entity_metrics import entity_metrics
from ml_assets.defs.assets.features import features
from ml_assets.defs.assets.recommendations import recommendations
from ml_assets.defs.keys import run_keys
from ml_assets.defs.partitions import dates, partitions
from ml_assets.entities import EntityType


@pytest.fixture
def day() -> dt.date:
    return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=10)


def needed(asset: dg.AssetsDefinition, upstream: str, key: str) -> set[str]:
    mapping = asset.get_partition_mapping(dg.AssetKey(upstream))
    assert mapping is not None
    result = mapping.get_upstream_mapped_partitions_result_for_partitions(
        partitions.subset_with_partition_keys([key]), partitions, partitions
    )
    assert not result.required_but_nonexistent_subset.get_partition_keys()
    return set(result.partitions_subset.get_partition_keys())


def test_entity_metrics_of_an_adset_need_its_own_insights_and_those_of_the_ads_below(day: dt.date) -> None:
    assert needed(entity_metrics, "insights", f"{day}|adset") == {f"{day}|adset", f"{day}|ad"}
    assert len(needed(entity_metrics, "insights", f"{day}|campaign")) == 3


def test_features_of_an_ad_need_the_metrics_of_all_levels_above(day: dt.date) -> None:
    assert needed(features, "entity_metrics", f"{day}|adset") == {f"{day}|adset", f"{day}|campaign"}
    assert len(needed(features, "entity_metrics", f"{day}|ad")) == 3


def test_features_of_a_campaign_need_no_other_level(day: dt.date) -> None:
    assert {key.split("|")[1] for key in needed(features, "entity_metrics", f"{day}|campaign")} == {
        "campaign"
    }


def test_an_adset_is_classified_from_its_own_and_its_campaigns_features(day: dt.date) -> None:
    assert needed(classifications, "features", f"{day}|adset") == {f"{day}|adset", f"{day}|campaign"}
    assert needed(classifications, "features", f"{day}|ad") == {f"{day}|ad", f"{day}|adset"}
    assert needed(classifications, "features", f"{day}|campaign") == {f"{day}|campaign"}


def test_an_ad_is_advised_on_from_the_tiers_of_all_levels_above_and_its_own_features(day: dt.date) -> None:
    assert len(needed(recommendations, "classifications", f"{day}|ad")) == 3
    assert needed(recommendations, "classifications", f"{day}|campaign") == {f"{day}|campaign"}
    assert needed(recommendations, "features", f"{day}|ad") == {f"{day}|ad"}


def test_today_is_a_partition() -> None:
    today = dt.datetime.now(dt.UTC).date()
    assert dates.get_partition_keys()[-1] == today.isoformat()


def test_keys_of_several_levels_become_dates_per_level_from_the_campaign_down(day: dt.date) -> None:
    later = day + dt.timedelta(days=1)
    keys = run_keys([f"{later}|ad", f"{day}|campaign", f"{day}|ad"])
    assert keys.dates == {EntityType.CAMPAIGN: (day,), EntityType.AD: (day, later)}
    assert keys.levels_above == tuple(EntityType)
    assert (keys.start, keys.end, keys.partition_count) == (day, later, 3)
