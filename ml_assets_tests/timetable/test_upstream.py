"""What an asset at a level rests on agrees with the graph of the assets, and comes in order."""

import dagster as dg
import pytest

from ml_assets.defs.backfill import ASSETS
from ml_assets.entities import LEVELS, EntityType
from ml_assets.timetable.upstream import all_upstream_of, upstream_of

OPTIONAL = {("recommendations", "anomalies"), ("recommendations", "forecasts")}
"""Read where they are there."""


@pytest.mark.parametrize("asset", ASSETS, ids=lambda asset: asset.key.to_user_string())
def test_it_names_what_the_graph_names(asset: dg.AssetsDefinition) -> None:
    name = asset.key.to_user_string()
    in_graph = {key.to_user_string() for key in asset.asset_deps[asset.key]}
    needed = {upstream for upstream in in_graph if (name, upstream) not in OPTIONAL}
    assert {place[0] for place in upstream_of(name, EntityType.AD)} == needed - (
        {"entity_metrics"} if name == "classifications" else set()
    )


def test_everything_comes_after_what_it_rests_on_and_nothing_twice() -> None:
    for level in LEVELS:
        target = ("recommendations", level)
        found = [*all_upstream_of([target]), target]
        assert len(found) == len(set(found))
        for number, place in enumerate(found):
            assert set(upstream_of(*place)) <= set(found[:number]), place
    assert ("features", EntityType.ADSET) in all_upstream_of([("classifications", EntityType.AD)])
    assert ("features", EntityType.CAMPAIGN) not in all_upstream_of([("classifications", EntityType.AD)])


def test_targets_are_not_upstream_of_themselves() -> None:
    targets = [("features", EntityType.CAMPAIGN), ("classifications", EntityType.CAMPAIGN)]
    assert not set(all_upstream_of(targets)) & set(targets)
