"""The thresholds of anomalies and incidents, with their units. Nothing is detected here."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AnomalyPolicy:
    """Gates, severities and the budget of alerts. T is the target CPL in force."""

    p_value: float = 1e-4
    """Two-sided p-value from which a deviation can be an anomaly."""
    false_discovery_rate: float = 0.05
    """Of Benjamini-Hochberg over all tests of an account and date."""
    least_relative: float = 0.25
    """Relative deviation, fraction."""
    least_money: float = 1.0
    """At stake that day, multiples of T."""
    least_leads: float = 2.0
    """Expected leads at stake that day."""
    medium: float = 1.0
    high: float = 3.0
    critical: float = 10.0
    """Severity by what is at stake a day, multiples of T."""
    issued_per_day: int = 3
    """Incidents issued an account and day; CRITICAL ones always are."""
    explains: float = 0.75
    """Share of the change that the set of children named as its root explains, at least."""
    belongs: float = 0.10
    """Share of the change a child of that set explains, at least."""
    quiet_days: int = 2
    """Days back within the expected band after which an incident is closed."""
    growth: float = 0.5
    """By how much of the money last notified an incident grows until it is notified again, fraction."""
    new_normal_days: int = 21
    """Days after which what goes on is the new normal."""
    quiet_after_expected: int = 90
    """Days for which what people called EXPECTED or FALSE_ALARM is not issued again, unless it is larger."""
