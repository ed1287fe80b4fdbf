"""The tier of every entity by posterior mass. Pure: frames in, frames out."""

from ml_assets.classification.bands import BOUNDARIES, INSUFFICIENT_DATA, TIERS
from ml_assets.classification.classify import CLASSIFICATIONS, LOOKBACK_DAYS, classify

__all__ = ["BOUNDARIES", "CLASSIFICATIONS", "INSUFFICIENT_DATA", "LOOKBACK_DAYS", "TIERS", "classify"]
