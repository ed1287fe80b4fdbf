"""Where insights come from, one module per kind of source. Frames out; no SQL, no Dagster."""
