"""The features of every entity, and the estimate all decisions rest on. Pure: frames in, frames out."""

from ml_assets.entity_features import FEATURES, CampaignFeatures, EntityFeatures
from ml_assets.features.compute import compute_features
from ml_assets.features.inputs import LOOKBACK_DAYS, FeatureInputs

__all__ = [
    "FEATURES",
    "LOOKBACK_DAYS",
    "CampaignFeatures",
    "EntityFeatures",
    "FeatureInputs",
    "compute_features",
]
