"""When what is due: jobs, their ticks, what a tick waits for, and what new figures touch. Decisions only.

What Dagster is told of it is in `ml_assets.defs`.
"""
