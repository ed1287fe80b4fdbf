"""What an entity did over more than the 14 days of its estimate: the longer record, that before a pause."""

import numpy as np
from scipy.special import gammaincc

from ml_assets.features.estimates import ESTIMATE_DAYS, LevelEstimates
from ml_assets.features.grid import FloatArray, IntArray, LevelGrid
from ml_assets.features.inputs import LOOKBACK_DAYS
from ml_assets.features.maturity import LAST_AGE
from ml_assets.features.shrinkage import Posterior
from ml_assets.metrics import MICROS
from ml_assets.recommendations.policy import Policy

PAUSED_LOOKBACK = 60
"""Days in which a paused entity must have delivered to be thought of again."""

Columns = dict[str, np.ndarray]


def longer_record(own: LevelEstimates, at: IntArray, policy: Policy) -> Posterior:
    """The posterior of 14 days with the days before added at `older_weight`: what accumulates.

    A power prior (Ibrahim and Chen 2000): older counts and exposure enter with a weight below one, since the
    rate may have moved since.
    """
    days = int(policy.older_days)
    level = own.level.where_known("leads")
    counted = own.seeks_leads[:, None] & (own.target > 0)
    weight = np.where(counted, policy.older_weight / own.dispersion, 0.0)
    leads = np.nan_to_num(level.window("leads", at, days, shift=ESTIMATE_DAYS))
    spend = level.window("spend", at, days, shift=ESTIMATE_DAYS)
    expected = np.divide(spend, own.target, out=np.zeros_like(spend), where=own.target > 0)
    rate = own.rate
    return Posterior(
        shape=rate.shape + weight * leads,
        rate=rate.rate + weight * expected,
        prior_shape=rate.prior_shape,
        prior_mean=rate.prior_mean,
    )


def record_columns(
    own: LevelEstimates, part: LevelGrid, rows: IntArray, at: IntArray, record_days: int
) -> Columns:
    """The last days with delivery of entities that stand still: what they brought, how long they stand."""
    shape = (rows.size, at.size)
    delivered = part.values["impressions"] > 0
    still = ~delivered[:, at]
    days = np.arange(delivered.shape[1])
    last = np.maximum.accumulate(np.where(delivered, days, -1), axis=1)[:, at]
    place = np.flatnonzero(still.any(axis=1))
    columns: Columns = {
        name: np.full(shape, np.nan)
        for name in ("record_leads", "record_spend", "record_days", "p_record", "record_shape", "record_rate")
    }
    columns["paused_days"] = np.where(still & (last >= 0), at[None, :] - last, 0).astype(np.float64)
    if not place.size:
        return columns
    seen, end = delivered[place], last[place]
    count = np.zeros((place.size, days.size + 1), dtype=np.int64)
    np.cumsum(seen, axis=1, out=count[:, 1:])
    entity, day = np.nonzero(seen)
    offset = np.r_[0, np.cumsum(seen.sum(axis=1))]
    total = np.take_along_axis(count, end + 1, axis=1)
    # No further back than every run reads: a record must not depend on which dates are asked for together.
    too_old = count[:, np.maximum(at + 1 - LOOKBACK_DAYS, 0)]
    first_number = np.minimum(np.maximum(total - record_days, too_old), total)
    position = np.minimum(offset[:-1][:, None] + first_number, max(entity.size - 1, 0))
    usable = still[place] & (first_number < total)
    start = np.where(usable, day[position] if entity.size else 0, 0)
    finish = np.where(usable, end + 1, 0)

    def between(name: str) -> FloatArray:
        running = np.zeros((place.size, delivered.shape[1] + 1))
        np.cumsum(part.values[name][place], axis=1, out=running[:, 1:])
        return np.take_along_axis(running, finish, axis=1) - np.take_along_axis(running, start, axis=1)

    leads, spend = between("leads"), between("spend") / MICROS
    if part.late is not None:
        leads -= part.late.take(place, rows.size).missing_between(at, start, finish)
    at_target = own.target[rows][place]
    widening = own.dispersion[rows][place]
    prior_shape, prior_mean = own.rate.prior_shape[rows][place], own.rate.prior_mean[rows][place]
    asked = usable & (at_target > 0) & (columns["paused_days"][place] <= LAST_AGE + PAUSED_LOOKBACK)
    shape_now = prior_shape + leads / widening
    rate_now = prior_shape / prior_mean + np.where(asked, spend / at_target, 0.0) / widening
    for name, values in (
        ("record_leads", leads),
        ("record_spend", spend),
        ("record_days", (total - first_number).astype(np.float64)),
        ("p_record", gammaincc(shape_now, rate_now)),
        ("record_shape", shape_now),
        ("record_rate", rate_now),
    ):
        columns[name][place] = np.where(asked, values, np.nan)
    return columns
