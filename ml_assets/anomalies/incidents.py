"""Incidents followed from day to day: one cause is one incident, updated while it shows, then closed.

There are a handful of incidents an account and day, which are followed one by one. What is done for every
entity is done elsewhere, for whole steps of the tree.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ml_assets.anomalies.causes import CAUSES, EXPLAINS, WHOLE, kind_of
from ml_assets.anomalies.feedback import Silence
from ml_assets.anomalies.frames import SEVERITIES
from ml_assets.anomalies.gates import BAD, Gated
from ml_assets.anomalies.panel import STEPS, Panel
from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.anomalies.roots import Roots
from ml_assets.anomalies.walk import Day

SHOWS_SCORE = 2.0
"""Standard deviations the root is off while an incident goes on."""

SHOWS_P_VALUE = 1e-4
"""Or p-value up to which evidence gathered over days says so, where no day does by itself."""

SHOWS_RELATIVE = 0.5
"""Of the relative gate that it is off while it goes on."""

REROOT_DAYS = 2
"""Days after its onset up to which an incident found higher up the tree, or found whole, is the same one."""


@dataclass
class Incident:
    """One incident as of the last day that was followed. Days are columns of the panel."""

    account: int
    step: int
    row: int
    metric: str
    sign: int
    kind: str
    onset: int
    last: int
    money: float
    """At stake so far."""
    money_today: float = 0.0
    leads_today: float = 0.0
    severity: str = "LOW"
    quiet: int = 0
    shows: bool = True
    closed: int | None = None
    merged_into: "Incident | None" = None
    is_issued: bool = False
    rank: int | None = None

    @property
    def cause(self) -> str:
        """What it is a sign of."""
        return CAUSES[self.metric]

    @property
    def is_bad(self) -> bool:
        """Whether it costs money; good news is never issued."""
        return self.sign in BAD[self.metric]


class Follower:
    """Follows the incidents of all accounts of a panel from day to day."""

    def __init__(self, panel: Panel, policy: AnomalyPolicy, silences: Sequence[Silence] = ()) -> None:
        self.panel = panel
        self.policy = policy
        self.silences = silences
        self.open: list[Incident] = []
        self.ended: dict[tuple[int, str], list[bool]] = {}
        """(account, kind) -> whether each incident that ended had lasted more than a day."""
        self.by_branch: dict[tuple[int, int], list[Incident]] = {}

    def follow(
        self, day: int, told: Day, gated: dict[str, list[Gated]], roots: Iterable[Roots]
    ) -> list[Incident]:
        """What is open on the day, or ends on it; the incidents themselves are moved on."""
        for incident in tuple(self.open):
            self._continue(incident, day, told, gated)
            if incident.shows and day - incident.onset <= REROOT_DAYS:
                self._see_whole(incident, day, told)
        for found in roots:
            for index in self._by_money(found, gated):
                step, row, sign = int(found.step[index]), int(found.row[index]), int(found.sign[index])
                self._take_up(day, found.metric, sign, step, row, told, gated)
        for incident in self.open:
            if incident.shows and incident.closed is None:
                self._weigh(incident, gated)
        self._issue(day)
        present = list(self.open)
        self.open = [incident for incident in self.open if incident.closed is None]
        self.by_branch = {}
        for incident in self.open:
            branch = self._branch(incident.account, incident.step, incident.row)
            self.by_branch.setdefault(branch, []).append(incident)
        return present

    def _by_money(self, found: Roots, gated: dict[str, list[Gated]]) -> list[int]:
        """Highest in the tree first, then by money."""
        money = [
            gated[found.metric][int(step)].stake.money[int(row)]
            for step, row in zip(found.step, found.row, strict=True)
        ]
        return sorted(range(len(money)), key=lambda i: (found.step[i], -money[i], found.row[i]))

    def _continue(self, incident: Incident, day: int, told: Day, gated: dict[str, list[Gated]]) -> None:
        """Whether the root is still off, as it was."""
        incident.rank = None
        tested = told[incident.metric][incident.step]
        row = incident.row
        far = incident.sign * tested.score[row]
        incident.shows = bool(
            tested.is_tested[row]
            and (far >= SHOWS_SCORE or (far > 0 and tested.p_value[row] <= SHOWS_P_VALUE))
            and abs(tested.observed[row] / tested.expected[row] - 1.0)
            >= SHOWS_RELATIVE * self.policy.least_relative
        )
        incident.money_today = incident.leads_today = 0.0
        if incident.shows:
            incident.quiet = 0
            self._add_day(incident, day, gated)
            return
        if not self._can_tell(incident, day):
            return
        incident.quiet += 1
        if incident.quiet >= self.policy.quiet_days:
            incident.closed = day
            lasted = incident.last > incident.onset
            self.ended.setdefault((incident.account, incident.kind), []).append(lasted)

    def _see_whole(self, incident: Incident, day: int, told: Day) -> None:
        """What was less on its first day and is nothing now, goes on as what it is."""
        tested = told[incident.metric][incident.step]
        kind = kind_of(
            incident.metric, incident.sign, tested.observed[incident.row], tested.expected[incident.row]
        )
        if kind in WHOLE and kind != incident.kind:
            whole = replace(incident, kind=kind)
            incident.closed, incident.merged_into = day, whole
            self._open(whole)

    def _can_tell(self, incident: Incident, day: int) -> bool:
        """Whether the day's figures can say that it is over; until they do, it is open."""
        step = self.panel.steps[incident.step]
        is_over = self.panel.share[incident.account, day] >= 1.0 or incident.cause != "leads"
        return bool(step.is_judged[incident.row, day]) and is_over

    def _likely_money(self, incident: Incident) -> float:
        """Today's money, times how likely its kind lasts in the account where it is still in its first day.

        Ads that rest for a day now and then crowd out nothing else.
        """
        if incident.last > incident.onset:
            return incident.money_today
        ended = self.ended.get((incident.account, incident.kind), [])
        return incident.money_today * (sum(ended) + 1) / (len(ended) + 1)

    def _add_day(self, incident: Incident, day: int, gated: dict[str, list[Gated]]) -> None:
        stake = gated[incident.metric][incident.step].stake
        incident.last = day
        incident.shows = True
        incident.money_today = float(stake.money[incident.row])
        incident.leads_today = float(stake.leads[incident.row])
        incident.money += incident.money_today

    def _take_up(
        self,
        day: int,
        metric: str,
        sign: int,
        step: int,
        row: int,
        told: Day,
        gated: dict[str, list[Gated]],
    ) -> None:
        """A root that was found: news, or part of what is open."""
        account = int(self.panel.steps[step].account[row])
        near = [
            item
            for item in self._around(account, step, row)
            if item.closed is None and self._related(item.step, item.row, step, row)
        ]
        cause = CAUSES[metric]
        same = [item for item in near if item.cause == cause and item.sign == sign]
        above = [item for item in same if item.step <= step]
        if above:
            first = min(above, key=lambda item: (item.step, item.onset))
            if not first.shows:
                first.quiet = 0
                self._add_day(first, day, gated)
            return
        explaining = [(other, -way * sign) for other, way in EXPLAINS.get(cause, ())]
        covering = [item for item in near if item.step <= step and item.shows]
        if any((item.cause, item.sign) in explaining for item in covering):
            return
        # A rate of an entity that hardly delivers any more, or another view of what began there today.
        if any((item.cause, item.sign) == ("spend", -1) for item in covering):
            return
        if any(item.step == step and item.row == row and item.onset == day for item in near):
            return
        if sign not in BAD[metric] and any(item.is_bad for item in near):
            return
        tested = told[metric][step]
        incident = Incident(
            account=account,
            step=step,
            row=row,
            metric=metric,
            sign=sign,
            kind=kind_of(metric, sign, tested.observed[row], tested.expected[row]),
            onset=day,
            last=day,
            money=0.0,
        )
        self._add_day(incident, day, gated)
        for part in same:  # lower in the tree: the same cause, seen whole only now
            part.closed = day
            part.merged_into = incident
            if day - part.onset <= REROOT_DAYS:
                incident.onset = min(incident.onset, part.onset)
                incident.is_issued |= part.is_issued
        self._open(incident)

    def _open(self, incident: Incident) -> None:
        self.open.append(incident)
        branch = self._branch(incident.account, incident.step, incident.row)
        self.by_branch.setdefault(branch, []).append(incident)

    def _branch(self, account: int, step: int, row: int) -> tuple[int, int]:
        """The campaign an entity is or lies below; -1 for the account itself."""
        if step == 0:
            return account, -1
        for index in range(step, 1, -1):
            row = int(self.panel.steps[index].parent.index[row])
        return account, row

    def _around(self, account: int, step: int, row: int) -> list[Incident]:
        """Open incidents that an entity can have to do with."""
        if step == 0:
            return [item for item in self.open if item.account == account]
        branches = ((account, -1), self._branch(account, step, row))
        return [item for branch in branches for item in self.by_branch.get(branch, ())]

    def _silenced_since(self, incident: Incident, day: int) -> int | None:
        """First day from which people do not want to hear of the like of it; None: they do."""
        like = (incident.step, incident.row, incident.cause, incident.sign)
        starts = [
            silence.start
            for silence in self.silences
            if (silence.step, silence.row, silence.cause, silence.sign) == like
            and silence.start <= day <= silence.end
        ]
        return min(starts, default=None)

    def _related(self, step: int, row: int, other_step: int, other_row: int) -> bool:
        """Whether one of two entities is the other or lies above it."""
        if step > other_step:
            step, row, other_step, other_row = other_step, other_row, step, row
        while other_step > step:
            other_row = int(self.panel.steps[other_step].parent.index[other_row])
            other_step -= 1
        return row == other_row

    def _weigh(self, incident: Incident, gated: dict[str, list[Gated]]) -> None:
        """Severity by what is at stake today; the highest is kept."""
        unit = float(gated[incident.metric][incident.step].stake.unit[incident.row])
        severity = severity_of(incident.money_today / unit, self.policy)
        if not incident.is_bad:
            severity = min(severity, "MEDIUM", key=SEVERITIES.index)
        stopped = incident.kind == "ZERO_SPEND" and STEPS[incident.step] in ("account", "campaign")
        if stopped or incident.kind == "TRACKING_BREAK":
            severity = max(severity, "HIGH", key=SEVERITIES.index)
        incident.severity = max(incident.severity, severity, key=SEVERITIES.index)

    def _issue(self, day: int) -> None:
        """Choose what is issued: what was goes on, news by money within the budget of the day.

        Of what people called expected or a false alarm only a new one that is CRITICAL is.
        """
        by_account: dict[int, list[Incident]] = {}
        for incident in self.open:
            if incident.closed is None and incident.shows and incident.is_bad:
                by_account.setdefault(incident.account, []).append(incident)
        for incidents in by_account.values():
            incidents.sort(key=lambda item: (-self._likely_money(item), item.step, item.row, item.metric))
            left = self.policy.issued_per_day
            ranked: list[Incident] = []
            for incident in incidents:
                since = self._silenced_since(incident, day)
                if since is not None and incident.onset < since:
                    continue
                if not incident.is_issued:
                    critical = incident.severity == "CRITICAL"
                    if not critical and (left == 0 or since is not None):
                        continue
                    incident.is_issued = True
                    left -= not critical
                ranked.append(incident)
            for rank, incident in enumerate(ranked, start=1):
                incident.rank = rank


def severity_of(at_stake: float, policy: AnomalyPolicy) -> str:
    """The severity of what is at stake a day, in multiples of T."""
    return SEVERITIES[int(np.searchsorted(severity_bars(policy), at_stake, side="right"))]


def severity_bars(policy: AnomalyPolicy) -> tuple[float, float, float]:
    """From which multiples of T a day each severity but the lowest is."""
    return policy.medium, policy.high, policy.critical
