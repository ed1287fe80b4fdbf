"""`python -m ml_assets.cli`, the same as `ml-assets`."""

from ml_assets.cli import main

main()
