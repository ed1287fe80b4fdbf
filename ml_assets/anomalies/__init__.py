"""Anomalies and incidents: few alarms, one per cause. Frames in, frames out; no Dagster, no SQL."""
