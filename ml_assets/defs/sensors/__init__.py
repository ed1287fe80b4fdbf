"""Sensors: what waits, what changed, what people must be told. Shells around pure decisions."""
