"""docs/data-model.md names every table and column of the models."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from ml_assets.storage.tables import Base

DOCUMENT = (Path(__file__).resolve().parent.parent / "docs" / "data-model.md").read_text()


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_the_document_has_the_columns_of_the_table(table: sa.Table) -> None:
    own = re.search(rf"^### {table.name}$(.*?)(?=^##|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    if own:
        documented = re.findall(r"^\| \*{0,2}([a-z0-9_]+)\*{0,2} \|", own.group(1), re.MULTILINE)
    else:
        row = re.search(rf"^\| {table.name} \|[^|]*\|([^|]*)\|", DOCUMENT, re.MULTILINE)
        assert row, f"docs/data-model.md does not name {table.name}"
        documented = row.group(1).strip().split(", ")
    assert set(documented) - {"column"} == {column.name for column in table.c}
