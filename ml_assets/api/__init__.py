"""The REST API: what the pipeline knows, and the calls that start it, over the storage layer. No SQL here.

`create_app` in `ml_assets.api.app` assembles it; `ml-assets serve` runs it.
"""
