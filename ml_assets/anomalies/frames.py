"""The schemas of anomalies and incidents, and the words that stand in them."""

import polars as pl

from ml_assets.frames import KEY, UTC, Schema

ACCOUNT = "account"
"""`entity_type` of an incident that moves a whole account; its `entity_id` is the account's id."""

METRICS = ("spend", "impressions", "clicks", "leads", "cpm", "ctr", "cvr", "cpl", "frequency")
"""Metrics an anomaly is found in. Two more names stand in `metric_name`: `multivariate` and `levels`."""

PRIMARY = ("spend", "cpm", "ctr", "cvr")
"""Metrics that are judged given the one before: none of them moves because another one did."""

TYPES = (
    "SPEND_SPIKE", "SPEND_DROP", "ZERO_SPEND", "ZERO_IMPRESSIONS",
    "CPL_SPIKE", "CPL_DROP", "CTR_SPIKE", "CTR_DROP", "CPM_SPIKE", "CPM_DROP", "CVR_SPIKE", "CVR_DROP",
    "LEADS_DROP", "FREQUENCY_ALERT", "REACH_SATURATION", "TRACKING_BREAK",
    "PERFORMANCE_DROP", "PERFORMANCE_SPIKE", "DATA_QUALITY",
)  # fmt: skip
"""Anomaly types; the kind of an incident is the type of its root."""

SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
DIRECTIONS = ("up", "down")
STATUSES = ("open", "closed", "superseded")
"""Of an incident. Superseded: a later look no longer finds it, and a person had acted on it."""

VERDICTS = ("ENTITY", "EXTERNAL")
FEEDBACK = ("CONFIRMED", "EXPECTED", "FALSE_ALARM", "NEW_NORMAL")
NOT_NEWS = ("EXPECTED", "FALSE_ALARM", "NEW_NORMAL")
"""Answers after which an incident need not be told again."""

ANOMALIES: Schema = {
    **KEY,
    "parent_id": pl.String(),
    "anomaly_date": pl.Date(),
    "metric_name": pl.String(),
    "anomaly_type": pl.String(),
    "observed_value": pl.Float64(),  # in the metric's unit: money, count, fraction
    "expected_value": pl.Float64(),
    "lower_value": pl.Float64(),  # band of 99 % around what was expected
    "upper_value": pl.Float64(),
    "deviation_score": pl.Float64(),  # standard deviations, signed
    "p_value": pl.Float64(),  # two-sided
    "severity": pl.String(),
    "direction": pl.String(),
    "is_alert": pl.Boolean(),  # part of an issued incident
    "is_provisional": pl.Boolean(),  # the day still ran
    "incident_id": pl.String(),  # null for a voice that belongs to no incident
    "is_root_cause": pl.Boolean(),
    "contribution": pl.Float64(),  # share of the root's change, fraction; 1 for the root
    "description": pl.String(),
    "detected_at": UTC,  # the moment the data are as of
}
"""One row per entity, date, metric and type."""

INCIDENTS: Schema = {
    **KEY,  # the root; entity_type may be ACCOUNT
    "parent_id": pl.String(),
    "kind": pl.String(),
    "onset_date": pl.Date(),
    "evaluated_date": pl.Date(),  # the date as of which the rest is said
    "incident_id": pl.String(),
    "last_date": pl.Date(),  # last day on which it showed
    "status": pl.String(),
    "severity": pl.String(),  # the highest it had
    "money": pl.Float64(),  # lost or overspent so far, account currency
    "alert_rank": pl.Int64(),  # 1 first among those of the account and date; null: below the fold
    "verdict": pl.String(),
    "description": pl.String(),
    "attribution": pl.String(),  # JSON, see `Attribution` in docs/anomalies.md
}
"""One row per incident and date on which it is looked at; the table keeps the newest."""

INCIDENT_FEEDBACK: Schema = {
    **KEY,
    "kind": pl.String(),
    "onset_date": pl.Date(),
    "last_date": pl.Date(),
    "feedback": pl.String(),
}
"""What people said of incidents, read for the days before those that are judged."""

RUNNING_DAYS: Schema = {
    "config_id": pl.Int64(),
    "date": pl.Date(),
    "judged_until": UTC,  # figures of the day are those read until then; null where the day is not judged
    "share": pl.Float64(),  # expected share of the day's delivery by then, (0, 1]
    "deviation": pl.Float64(),  # standard deviation of the log of that share
    "reason": pl.String(),  # why the day is not judged; null where it is
}
"""Days that still run. An account's day that is not in here is over."""
