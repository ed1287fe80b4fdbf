"""Anomalies and incidents as a marketer reads them. Pure: numbers in, sentences out."""

from ml_assets.anomalies.words.describe import describe_anomalies, describe_incidents
from ml_assets.anomalies.words.languages import LANGUAGES

__all__ = ["LANGUAGES", "describe_anomalies", "describe_incidents"]
