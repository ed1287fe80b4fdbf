"""The conformed daily figures of every level, whatever levels a source delivers."""

from ml_assets.entity_metrics.conform import conform_insights, newest_readings

__all__ = ["conform_insights", "newest_readings"]
