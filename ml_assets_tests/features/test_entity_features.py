"""The typed rows of features."""

import dataclasses

from ml_assets.entity_features import FEATURE_DOCS, FEATURES, CampaignFeatures, EntityFeatures
from ml_assets_tests.features.frames_made import (
    D,
    every_day,
    feature_inputs,
    features_of,
    row_of,
    small_tree,
)


def test_a_row_of_the_frame_is_an_entity_features() -> None:
    inputs = feature_inputs(small_tree(), every_day("ad", "a1", range(30)))
    for level, entity_id in (("campaign", "c1"), ("adset", "s1"), ("ad", "a1")):
        row = EntityFeatures(**row_of(features_of(inputs, level), entity_id))
        assert (row.entity_type, row.entity_id, row.config_id, row.feature_date) == (level, entity_id, 1, D)
        assert row.spend_7d == 140.0
        assert row.window_days == 30


def test_campaign_features_are_entity_features_of_a_campaign() -> None:
    inputs = feature_inputs(small_tree(), every_day("ad", "a1", range(30)))
    row = CampaignFeatures(**row_of(features_of(inputs, "campaign"), "c1"))
    assert row.campaign_id == "c1"
    assert isinstance(row, EntityFeatures)
    assert CampaignFeatures(config_id=1, entity_id="c9").entity_type == "campaign"


def test_every_field_is_a_column_and_documented() -> None:
    names = [item.name for item in dataclasses.fields(EntityFeatures)]
    assert list(FEATURES) == names
    keys = {"config_id", "entity_type", "entity_id", "parent_id", "feature_date", "window_days"}
    assert set(names) - keys == set(FEATURE_DOCS)
