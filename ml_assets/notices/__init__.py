"""What people are told without asking: incidents, failed runs, sources that fell silent, the day's digest.

Decisions and texts only. What waits to be sent is in `ml_assets.storage.notices`, the sending in
`ml_assets.defs.sensors.notices`.
"""
