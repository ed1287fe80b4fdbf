"""Accounts put through detection and through the naive alarms, each scored against its truth."""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import polars as pl

from benchmarks.accounts import END, Account, inputs_as_of, make_account, revisions_as_of
from benchmarks.anomalies.naive import naive_alarms
from benchmarks.anomalies.score import (
    first_grave,
    first_issued,
    outcomes,
    per_cause,
    reasons,
    touched,
)
from benchmarks.anomalies.truth import what_happened
from benchmarks.decisions.trial import targets_on
from ml_assets.anomalies.detect import detect_anomalies
from ml_assets.anomalies.inputs import AnomalyInputs
from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.entities import LEVELS

DATES = 28

MIXES: tuple[tuple[str, dict[str, object]], ...] = (
    ("no incident", {"incidents": 0}),
    ("external", {"incidents": 6, "external_cpm_move": 0.4}),
    ("ordinary", {"incidents": 10}),
    ("ordinary", {"incidents": 10}),
    ("large", {"incidents": 10, "leads_per_ad_week": 9.0}),
)
"""Name and settings of what seed modulo 5 makes: ordinary accounts (some 120 leads a day), one of three times
their volume, one without any incident, one in which all CPMs rise by 40 % for a week."""


@dataclass(frozen=True)
class Trial:
    """Scored incidents of some accounts: frames with `account` (the seed) and `mix` in front.

    - `incidents`: INCIDENTS of every date, scored by `score.touched`.
    - `raised`, `grave`: of those, each on the first date issued (as HIGH or CRITICAL), `raised` with `reason`
      where false.
    - `outcomes` and `naive_outcomes`: injected incidents, `score.outcomes`.
    - `per_cause`: number, raised: issued incidents that touch an injected one.
    - `naive`: naive alarms, scored the same way.
    - `not_judged`: dates that were not judged, with the reason.
    - `days`: date: every account and date of the trial.
    """

    incidents: pl.DataFrame
    raised: pl.DataFrame
    grave: pl.DataFrame
    outcomes: pl.DataFrame
    naive_outcomes: pl.DataFrame
    per_cause: pl.DataFrame
    naive: pl.DataFrame
    not_judged: pl.DataFrame
    days: pl.DataFrame
    seconds: float
    """Detecting alone, all accounts and levels."""

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return self.days["account"].n_unique()

    @property
    def account_days(self) -> int:
        """Accounts x dates."""
        return self.days.height


FRAMES = tuple(item.name for item in fields(Trial) if item.name != "seconds")


def last_dates(count: int = DATES) -> list[dt.date]:
    """The last `count` days of the accounts, in order."""
    return [END - dt.timedelta(days=back) for back in reversed(range(count))]


def run(
    seeds: Sequence[int],
    dates: Sequence[dt.date],
    policy: AnomalyPolicy | None = None,
    *,
    as_of: bool = False,
    **config: object,
) -> Iterator[Trial]:
    """The trial of each seed's account, one after the other; incidents begin on the dates of the trial.

    `as_of`: every date is judged from what was known on the morning after it. Otherwise all dates are judged
    from one reading on the morning after the last one, with LEAD_REVISIONS to say what was known then.
    """
    for seed in seeds:
        mix, settings = MIXES[seed % len(MIXES)]
        chosen = {"incident_window_days": len(dates), **settings, **config}
        trial = _try_out(make_account(seed, **chosen), dates, policy, as_of=as_of)
        yield labelled(trial, seed, "as given" if config else mix)


def combine(trials: Sequence[Trial]) -> Trial:
    """The trials of several accounts as one."""
    return Trial(
        **{
            name: pl.concat((getattr(trial, name) for trial in trials), how="vertical_relaxed")
            for name in FRAMES
        },
        seconds=sum(trial.seconds for trial in trials),
    )


def detect(
    account: Account, dates: Sequence[dt.date], policy: AnomalyPolicy | None, *, as_of: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """INCIDENTS and the dates not judged, of all levels, as the three partitions of each date hold them."""
    source = account.source
    views = (
        [((inputs_as_of(source, date), revisions_as_of(source, date)), [date]) for date in dates]
        if as_of
        else [((account.inputs, account.revisions), list(dates))]
    )
    found = [
        detect_anomalies(AnomalyInputs(figures, revisions=revisions), level, days, policy)
        for (figures, revisions), days in views
        for level in LEVELS
    ]
    return pl.concat(item.incidents for item in found), pl.concat(item.not_judged for item in found)


def labelled(trial: Trial, seed: int, mix: str) -> Trial:
    """`trial` with the account's number and mix in front of its frames."""
    labels = (pl.lit(seed, pl.Int64).alias("account"), pl.lit(mix).alias("mix"))
    return replace(trial, **{name: getattr(trial, name).select(*labels, pl.all()) for name in FRAMES})


def _try_out(
    account: Account, dates: Sequence[dt.date], policy: AnomalyPolicy | None, *, as_of: bool
) -> Trial:
    entities = account.inputs.entities
    happened = what_happened(account.source, entities, targets_on(account.inputs, dates))
    began = time.perf_counter()
    incidents, not_judged = detect(account, dates, policy, as_of=as_of)
    seconds = time.perf_counter() - began
    scored = touched(incidents, happened)
    raised = first_issued(scored)
    false = reasons(raised.filter("is_false"), happened).select("incident_id", "reason")
    naive = touched(as_incidents(naive_alarms(account.inputs.metrics, dates)), happened)
    names = entities.select("entity_type", "entity_id", "name")
    return Trial(
        incidents=scored,
        raised=raised.join(false, on="incident_id", how="left", maintain_order="left"),
        grave=first_grave(scored),
        outcomes=outcomes(incidents, happened).join(
            names, on=["entity_type", "entity_id"], how="left", maintain_order="left"
        ),
        naive_outcomes=outcomes(naive, happened),
        per_cause=per_cause(raised),
        naive=naive,
        not_judged=not_judged,
        days=pl.DataFrame({"date": list(dates)}),
        seconds=seconds,
    )


def as_incidents(alarms: pl.DataFrame) -> pl.DataFrame:
    """Naive alarms with the columns of INCIDENTS that scoring reads: each an issued incident of its day."""
    return alarms.with_columns(
        onset_date="date",
        last_date="date",
        evaluated_date="date",
        incident_id=pl.concat_str("entity_type", "entity_id", "kind", "date", separator=" "),
        status=pl.lit("open"),
        severity=pl.lit(None, pl.String),
        alert_rank=pl.lit(1, pl.Int64),
    ).drop("date")
