"""What pyproject.toml cannot say: the migrations of the checkout are shipped inside the package.

Everything else is in pyproject.toml.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["ml_assets", "ml_assets.*"]),
        "ml_assets.migrations",
        "ml_assets.migrations.versions",
    ],
    package_dir={"ml_assets.migrations": "migrations"},
)
