"""Forecasts on real and synthetic daily series, beside Prophet and statsforecast."""
