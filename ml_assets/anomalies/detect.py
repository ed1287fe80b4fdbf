"""The anomalies and incidents of a level on some dates: `detect_anomalies` and nothing else.

All three levels and the account are judged whatever level is asked for, so that every level's run sees the
same incidents. Dates are followed in chains that begin at fixed days, so a date's rows do not depend on which
other dates are asked for.
"""

import datetime as dt
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ml_assets.anomalies.anomaly_rows import anomaly_rows
from ml_assets.anomalies.data_quality import DataQuality, data_quality
from ml_assets.anomalies.deviations import deviations
from ml_assets.anomalies.feedback import new_levels, silences_of
from ml_assets.anomalies.frames import ANOMALIES, INCIDENTS
from ml_assets.anomalies.gates import gate
from ml_assets.anomalies.incident_rows import Snapshot, incident_rows, snapshot
from ml_assets.anomalies.incidents import Follower
from ml_assets.anomalies.inputs import CHAIN_DAYS, HISTORY_DAYS, AnomalyInputs
from ml_assets.anomalies.multivariate import DEVIATIONS, grow_forests, performance_voice
from ml_assets.anomalies.panel import build_panel
from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.anomalies.reach import reach_voice
from ml_assets.anomalies.roots import find_roots
from ml_assets.anomalies.walk import walk
from ml_assets.anomalies.words import describe_anomalies, describe_incidents
from ml_assets.entities import EntityType
from ml_assets.features.compute import data_as_of
from ml_assets.frames import Schema, conform, empty, fill_missing

SERIES_DAYS = 28
"""Days of the series that an incident is shown with."""

USUAL_EVERY = 9
"""Every so many of the days before a chain is one of those that its entities are compared with."""

NOT_JUDGED: Schema = {
    "config_id": pl.Int64(),
    "entity_type": pl.String(),
    "date": pl.Date(),
    "reason": pl.String(),
}


if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest


@dataclass(frozen=True)
class Found:
    """What was found at a level on the asked dates."""

    anomalies: pl.DataFrame
    """ANOMALIES."""
    incidents: pl.DataFrame
    """INCIDENTS rooted at the level, the account's with the campaigns; one row a date on which it is open or
    ends."""
    not_judged: pl.DataFrame
    """config_id, entity_type, date, reason."""


@dataclass(frozen=True)
class Chain:
    """Dates that are followed together, and those of them that were asked for."""

    start: dt.date
    asked: tuple[dt.date, ...]

    @property
    def days(self) -> list[dt.date]:
        """Every day that is read, from the first one that is learnt from to the last asked for."""
        begin = self.start - dt.timedelta(days=HISTORY_DAYS)
        return [begin + dt.timedelta(days=offset) for offset in range((self.asked[-1] - begin).days + 1)]


def chains(dates: Sequence[dt.date]) -> list[Chain]:
    """The chains of the dates: each begins at the four weeks before those of its dates."""
    starts: dict[dt.date, list[dt.date]] = {}
    for day in sorted(set(dates)):
        start = dt.date.fromordinal((day.toordinal() // CHAIN_DAYS - 1) * CHAIN_DAYS)
        starts.setdefault(start, []).append(day)
    return [Chain(start, tuple(asked)) for start, asked in starts.items()]


def detect_anomalies(
    inputs: AnomalyInputs,
    entity_type: EntityType,
    dates: Sequence[dt.date],
    policy: AnomalyPolicy | None = None,
    language: str = "en",
) -> Found:
    """Anomalies of a level and the incidents rooted at it, on each of `dates`.

    A date rests on figures up to it, leads as the next morning knew them. An account whose figures of a date
    cannot be trusted, or whose running day cannot be judged, has no rows of it and a line in `not_judged`.
    """
    policy = policy or AnomalyPolicy()
    nothing = Found(empty(ANOMALIES), empty(INCIDENTS), empty(NOT_JUDGED))
    if not dates or inputs.figures.accounts.is_empty() or inputs.figures.metrics.is_empty():
        return nothing
    followed = chains(dates)
    # Looked at once, for the days that are learnt from too.
    quality = data_quality(inputs, sorted({day for chain in followed for day in chain.days}))
    parts = [_follow(inputs, entity_type, chain, policy, quality.unjudged) for chain in followed]
    voices = [
        _quality_rows(quality, entity_type, inputs.figures.accounts).filter(
            pl.col("anomaly_date").is_in(list(dates))
        ),
        reach_voice(inputs, entity_type, sorted(set(dates))),
    ]
    anomalies = pl.concat([*(part.anomalies for part in parts), *voices])
    anomalies = _dated(anomalies, "anomaly_date", inputs)
    incidents = pl.concat([part.incidents for part in parts])
    names = inputs.figures.entities.select("config_id", "entity_type", "entity_id", "name")
    accounts = inputs.figures.accounts
    is_told = pl.col("description").is_not_null()
    told = describe_anomalies(anomalies.filter(~is_told), names, accounts, language)
    return Found(
        anomalies=pl.concat([told, anomalies.filter(is_told)]),
        incidents=describe_incidents(incidents, names, accounts, language),
        not_judged=_not_judged(quality.unjudged, inputs.running, entity_type, dates),
    )


def _follow(
    inputs: AnomalyInputs,
    entity_type: EntityType,
    chain: Chain,
    policy: AnomalyPolicy,
    unjudged: pl.DataFrame,
) -> Found:
    """One chain: learn, then follow its days, and take down the asked ones."""
    panel = build_panel(inputs, chain.days[0], chain.asked[-1], unjudged)
    follower = Follower(panel, policy, silences_of(panel, inputs.feedback, policy))
    relevel = new_levels(panel, inputs.feedback) if inputs.feedback.height else None
    asked = {panel.day(date) for date in chain.asked}
    past: deque[Snapshot] = deque(maxlen=SERIES_DAYS)
    anomalies: list[pl.DataFrame] = [empty(ANOMALIES)]
    incidents: list[pl.DataFrame] = [empty(INCIDENTS)]
    usual = [empty(DEVIATIONS)]
    forests: dict[int, IsolationForest] = {}
    first = panel.day(chain.start)
    with np.errstate(invalid="ignore"):
        for day, told in walk(panel, first - SERIES_DAYS, policy.new_normal_days, relevel):
            past.append(snapshot(day, told))
            if day < first and (first - day) % USUAL_EVERY:
                continue
            gated = gate(panel, told, day, policy)
            if day < first:
                usual.append(deviations(panel, day, told, gated, entity_type))
                continue
            if day == first:
                forests = grow_forests(pl.concat(usual), entity_type)
            roots = [find_roots(panel, metric, tests, gated[metric]) for metric, tests in told.items()]
            present = follower.follow(day, told, gated, roots)
            if day in asked:
                anomalies.append(anomaly_rows(panel, day, told, gated, present, entity_type, policy))
                incidents.append(incident_rows(panel, day, told, present, entity_type, list(past)))
                off = deviations(panel, day, told, gated, entity_type)
                anomalies.append(performance_voice(off, entity_type, forests))
    return Found(pl.concat(anomalies), pl.concat(incidents), empty(NOT_JUDGED))


def _quality_rows(quality: DataQuality, entity_type: EntityType, accounts: pl.DataFrame) -> pl.DataFrame:
    """What is wrong with the figures of a level, in ANOMALIES; alerts where the level is not judged.

    Where that shows at no entity of the level itself, it stands under the account's id.
    """
    key = ["config_id", "entity_type", "date"]
    here = pl.col("entity_type") == entity_type.value
    unjudged = (
        quality.unjudged.filter(here)
        .select(*key, "reason")
        .unique(key, keep="first", maintain_order=True)
        .with_columns(is_left_out=pl.lit(value=True))
    )
    rows = (
        quality.rows.filter(here)
        .join(
            unjudged.rename({"date": "anomaly_date"}),
            on=["config_id", "entity_type", "anomaly_date"],
            how="left",
        )
        .with_columns(is_alert=pl.col("is_left_out").fill_null(value=False))
    )
    whole_level = (
        unjudged.join(rows, left_on=key, right_on=[*key[:2], "anomaly_date"], how="anti")
        .join(accounts.select("config_id", entity_id="account_id"), on="config_id", how="inner")
        .with_columns(
            anomaly_date="date",
            metric_name=pl.lit("levels"),
            anomaly_type=pl.lit("DATA_QUALITY"),
            severity=pl.lit("MEDIUM"),
            is_alert=pl.lit(value=True),
            is_provisional=pl.lit(value=False),
            is_root_cause=pl.lit(value=False),
            description="reason",
        )
    )
    return pl.concat([conform(rows, ANOMALIES, "data quality"), fill_missing(whole_level, ANOMALIES)])


def _dated(rows: pl.DataFrame, column: str, inputs: AnomalyInputs) -> pl.DataFrame:
    """ANOMALIES with the moment that their data are as of."""
    as_of = data_as_of(inputs.figures.metrics)
    dated = (
        rows.drop("detected_at")
        .sort(column)
        .join_asof(
            as_of.rename({"generated_at": "detected_at"}),
            left_on=column,
            right_on="date",
            by="config_id",
            strategy="backward",
            check_sortedness=False,
        )
        .sort("config_id", "entity_id", column, "metric_name", "anomaly_type")
    )
    return conform(dated, ANOMALIES, "anomalies")


def _not_judged(
    unjudged: pl.DataFrame, running: pl.DataFrame, entity_type: EntityType, dates: Sequence[dt.date]
) -> pl.DataFrame:
    waiting = running.filter(pl.col("reason").is_not_null()).select(
        "config_id", "date", "reason", entity_type=pl.lit(entity_type.value)
    )
    both = [conform(frame, NOT_JUDGED) for frame in (unjudged, waiting)]
    return (
        pl.concat(both)
        .filter(pl.col("entity_type") == entity_type.value, pl.col("date").is_in(list(dates)))
        .unique(maintain_order=True)
        .sort("config_id", "date")
    )
