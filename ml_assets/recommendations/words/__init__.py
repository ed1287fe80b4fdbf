"""Decisions as a marketer reads them. Pure: decisions in numbers in, recommendations in words out."""

from ml_assets.recommendations.words.describe import describe
from ml_assets.recommendations.words.languages import LANGUAGES

__all__ = ["LANGUAGES", "describe"]
