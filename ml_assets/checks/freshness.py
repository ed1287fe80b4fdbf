"""Whether a level has been made for the newest day that is over."""

import datetime as dt


def freshness(name: str, level: str, newest: dt.date | None, expected: dt.date) -> tuple[bool, str]:
    """Whether `newest`, the newest date of a level that was made, is `expected` or later, and a sentence."""
    if newest is None:
        return False, f"{name} was never materialized for {level}s: materialize {expected} or launch its job."
    late = (expected - newest).days
    if late <= 0:
        return True, f"The newest date of {level}s is {newest}."
    return False, (
        f"The newest date of {level}s is {newest}, {late} days before {expected}: look "
        f"whether the schedule of {name} is on and what its last run says."
    )
