"""The API over two small accounts, on each kind of database."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from ml_assets_tests.api.made import Api, api_over, fill


@pytest.fixture
def filled(engine: sa.Engine) -> sa.Engine:
    """A database with rows of every table."""
    fill(engine)
    return engine


@pytest.fixture
def api(filled: sa.Engine) -> Iterator[Api]:
    """The API over it, called without a token from this machine."""
    with api_over(filled) as made:
        yield made
