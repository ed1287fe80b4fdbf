"""Proof of the anomalies: incidents against injected causes, and threshold alarms on the same data."""
