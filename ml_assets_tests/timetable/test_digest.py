"""The digest goes out once its time has come and its recommendations are there, or are waited for in vain."""

import datetime as dt

from ml_assets.entities import LEVELS
from ml_assets.timetable.digest import digest_time, waits_for


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def test_it_is_due_at_its_time_on_the_clock_of_the_schedules_summer_and_winter() -> None:
    summer = digest_time(at("2026-10-24T05:00"), "07:00", "Europe/Berlin")
    winter = digest_time(at("2026-10-25T05:00"), "07:00", "Europe/Berlin")
    assert (summer.date, summer.at) == (dt.date(2026, 10, 23), at("2026-10-24T05:00"))
    assert (winter.date, winter.at) == (dt.date(2026, 10, 24), at("2026-10-25T06:00"))


def test_it_tells_of_the_day_before_also_where_that_is_another_day_than_in_utc() -> None:
    assert digest_time(at("2026-03-02T01:00"), "07:00", "America/Sao_Paulo").date == dt.date(2026, 2, 28)


def test_it_waits_for_the_recommendations_of_every_level_and_then_goes_without() -> None:
    due = digest_time(at("2026-03-02T08:00"), "07:00", "UTC")
    made = dict.fromkeys(LEVELS, at("2026-03-02T06:30"))
    assert "due at 07:00" in waits_for(due, at("2026-03-02T06:59"), made, LEVELS, 6.0)
    assert waits_for(due, at("2026-03-02T07:00"), made, LEVELS, 6.0) == ""
    del made[LEVELS[2]]
    assert "of ad, until 6 hours" in waits_for(due, at("2026-03-02T12:59"), made, LEVELS, 6.0)
    assert waits_for(due, at("2026-03-02T13:00"), made, LEVELS, 6.0) == ""
    assert waits_for(due, at("2026-03-02T07:00"), made, LEVELS[:2], 6.0) == ""
