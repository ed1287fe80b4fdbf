"""What a synthetic account is made of: every number that can be turned, with its unit and default.

How the numbers act is said in the modules that use them; nothing is drawn here.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from ml_assets.errors import UsageError

MAX_AGE_DAYS = 28
"""Meta restates a day for this long; afterwards its figures are final."""

BRAZILIAN_HOLIDAYS = (
    "01-01", "04-21", "05-01", "09-07", "10-12", "11-02", "11-15", "11-20", "12-25",
)  # fmt: skip
"""National holidays with a fixed date (month-day)."""


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """The making of one account. Equal configs make equal accounts.

    `end` is the last day of the account; None means yesterday in `timezone` and is fixed when the source
    is made. A day later than what `known_at` allows is never delivered, so an `end` in the future makes an
    account that goes on living. Shares and spreads are fractions, money is in major units of `currency`.
    """

    seed: int = 7
    end: dt.date | None = None
    days: int = 120
    campaigns: int = 18
    adsets: int = 91
    ads: int = 278

    name: str = "Synthetic account"
    currency: str = "BRL"
    timezone: str = "America/Sao_Paulo"
    target_cpl: float | None = None
    monthly_budget: float | None = None
    campaign_target_share: float = 0.0  # campaigns with a target CPL of their own

    base_cpl: float = 40.0  # per lead
    base_cpm: float = 25.0  # per 1000 impressions
    base_ctr: float = 0.012
    leads_per_ad_week: float = 3.0  # mean over ads; the median is about two thirds of it
    spread: Literal["lognormal", "gamma"] = "lognormal"
    campaign_sigma: float = 0.35  # deviation of the relative lead rate around the level above
    adset_sigma: float = 0.30
    ad_sigma: float = 0.35
    spend_sigma: float = 0.88  # deviation of log spend over ads
    drift: float = 0.01  # daily step of log lead rate, for campaigns and again for ads
    market_drift: float = 0.01  # daily step of the account's log CPM
    dispersion: float = 1.2  # variance/mean of an entity's leads around their expectation
    weekday_strength: float = 1.0  # 0: no weekday rhythm
    holidays: tuple[str, ...] = BRAZILIAN_HOLIDAYS  # month-day
    silent_day_share: float = 0.015  # ad days that deliver nothing for no reason

    same_day_lead_share: float = 0.62  # leads visible when their day ends
    late_scale_days: float = 3.5  # Weibull scale of the delay of the others
    late_shape: float = 0.75
    removed_lead_share: float = 0.015  # spam: leads shown, then taken back
    refunded_share: float = 0.01  # ad days whose spend is corrected down by 1-5 %

    campaign_budget_share: float = 0.5  # campaigns that own the budget of their adsets
    budget_changes: float = 1.5  # per budget and 120 days
    launch_share: float = 0.12  # ads (adsets: half, campaigns: a quarter) that start within the period
    pause_share: float = 0.15  # likewise for pauses
    learning_leads: float = 6.0  # leads a week that end a learning phase in SUCCESS
    traffic_campaigns: int = 1  # campaigns that do not seek leads
    fatigued_ad_share: float = 0.10
    overlap_pairs: int = 6  # pairs of adsets of one campaign that target alike
    residual_campaigns: int = 2  # campaigns with a deleted adset: their rows exceed the sum of the adsets'
    residual_share: float = 0.05  # of the campaign's figures, while the deleted adset ran

    incidents: int = 6
    incident_window_days: int = 60  # incidents begin in this many last days
    external_cpm_move: float = 0.0  # +0.4: all CPMs 40 % up for a week, 20 days before the end

    sync_hour: int = 5  # local hour of the daily reading of the last 28 days
    versions: bool = True  # False: only the newest version known at the asked instant
    intraday: bool = False  # also hourly versions of a day while it runs (off-Meta leads missing)

    def __post_init__(self) -> None:
        """Refuse what no account can be."""
        if not 1 <= self.campaigns <= self.adsets <= self.ads:
            raise UsageError(
                "A synthetic account needs at least one adset per campaign and one ad per adset: "
                f"got {self.campaigns} campaigns, {self.adsets} adsets, {self.ads} ads."
            )
        if self.days < 1:
            raise UsageError(f"A synthetic account needs at least one day, got days={self.days}.")
        if self.dispersion < 1.0:
            raise UsageError(f"dispersion is variance/mean of counts, at least 1; got {self.dispersion}.")
        if self.spread not in ("lognormal", "gamma"):
            raise UsageError(f"spread is lognormal or gamma, not {self.spread!r}.")
        if self.sync_hour not in range(24):
            raise UsageError(f"sync_hour is an hour of the day, 0-23; got {self.sync_hour}.")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise UsageError(f"{self.timezone!r} is not an IANA time zone such as UTC.") from error

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> "SyntheticConfig":
        """The config in a JSON object; `kind` is skipped, an unknown key is a UsageError that names it."""
        given = {key: value for key, value in mapping.items() if key != "kind"}
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise UsageError(
                f"A synthetic source has no setting {', '.join(unknown)}; "
                f"it knows {', '.join(sorted(known))}."
            )
        if isinstance(given.get("end"), str):
            try:
                given["end"] = dt.date.fromisoformat(given["end"])
            except ValueError as error:
                raise UsageError(f"end is a day like 2026-02-28, not {given['end']!r}.") from error
        if "holidays" in given:
            given["holidays"] = tuple(given["holidays"])
        return cls(**given)

    @property
    def last_day(self) -> dt.date:
        """`end`. Raises UsageError while it is not fixed."""
        if self.end is None:
            raise UsageError("The synthetic account has no end yet: make a SyntheticSource of the config.")
        return self.end

    @property
    def first_day(self) -> dt.date:
        """First day of the account."""
        return self.last_day - dt.timedelta(days=self.days - 1)

    def dates(self) -> np.ndarray:
        """All days, datetime64[D]."""
        return np.datetime64(self.first_day, "D") + np.arange(self.days)

    def rng(self, concern: str) -> np.random.Generator:
        """The random stream of one concern: turning one knob leaves the draws of the others alone."""
        return np.random.default_rng([self.seed, *concern.encode()])
