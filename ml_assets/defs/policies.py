"""How many partitions a run of a backfill takes, and thereby in which order a backfill goes down the graph.

Dagster puts assets with *equal* policies into one group of runs, splits the group into one run per level
and lets those run at the same time: an adset would be judged before its campaign's figures are there. Assets
that are joined across levels, directly or through others, therefore carry different policies; Dagster then
finishes all levels of the upstream asset first. That is why the lengths differ; they also bound the memory
of a run.

A run takes one level, or all levels of a date where there are no more dates than levels. A tick that falls
into the moments in which a run records its materializations takes up those that are there already: the
backfill then takes more runs, but a partition is never run before everything it needs is there.
"""

import dagster as dg

THREE_MONTHS_PER_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=93)
"""Three months of one level: what a source is asked for at once."""

YEAR_PER_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=366)
"""A year of one level."""

QUARTER_PER_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=92)
"""A quarter of one level: features hold the most columns in memory."""

HALF_YEAR_PER_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=184)
"""Half a year of one level."""

FIVE_MONTHS_PER_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=153)
"""Five months of one level: a forecast holds one date at a time."""

THIRTEEN_WEEKS_PER_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=91)
"""Thirteen weeks of one level: recommendations replay four weeks before each date."""

SIXTEEN_WEEKS_PER_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=112)
"""Sixteen weeks of one level: incidents are followed in chains of four weeks, each from four weeks before."""
