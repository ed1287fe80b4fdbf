"""Whether schedules and sensors run from the start: one setting turns all of them on."""

import dagster as dg

from ml_assets.settings import settings

SCHEDULE_STATUS = (
    dg.DefaultScheduleStatus.RUNNING if settings().schedules_on else dg.DefaultScheduleStatus.STOPPED
)
SENSOR_STATUS = dg.DefaultSensorStatus.RUNNING if settings().schedules_on else dg.DefaultSensorStatus.STOPPED
