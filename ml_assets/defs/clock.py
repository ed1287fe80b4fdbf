"""What time it is for schedules and sensors: one place, so that a test can move it."""

import datetime as dt


def utc_now() -> dt.datetime:
    """This moment, in UTC."""
    return dt.datetime.now(dt.UTC)
