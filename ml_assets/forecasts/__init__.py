"""Forecasts of spend, impressions, clicks and leads: coherent down the tree, with measured intervals."""
