"""The candidates: each forecasts all series of a metric in one call."""
