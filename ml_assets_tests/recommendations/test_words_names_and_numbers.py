import datetime as dt
import re

import pytest

from ml_assets.frames import ACCOUNTS, ENTITIES
from ml_assets.recommendations.words import LANGUAGES
from ml_assets_tests.features.frames_made import frame
from ml_assets_tests.recommendations.decisions_made import D, decision, described, every_rule


def test_names_cannot_break_a_title() -> None:
    names = {
        "c1": "[bold]x[/bold] | {y} `z`",
        "s1": "  two\nlines\t\x1b[31m \u202e ",
        "a1": "a" * 400,
    }
    entities = frame(
        [
            {"config_id": 1, "entity_type": level, "entity_id": entity_id, "name": names.get(entity_id)}
            for level, entity_id in (("campaign", "c1"), ("adset", "s1"), ("ad", "a1"), ("ad", "a2"))
        ],
        ENTITIES,
    )
    rows = described(
        [decision("hopeless_cpl", "campaign"), decision("hopeless_cpl", "adset"), decision("undecided")],
        entities=entities,
    )
    assert rows[0]["title"] == "Pause campaign '(bold)x(/bold) / (y) ’z’'"
    assert rows[1]["title"].startswith("Pause ad set 'two lines (31m' in '(bold)x")
    assert re.fullmatch(r"Test ad 'a{79}…' against 'a2' in 'two lines \(31m'", rows[2]["title"])


def test_an_entity_without_a_name_is_called_by_its_id() -> None:
    (row,) = described([decision("hopeless_cpl")], entities=frame([], ENTITIES))
    assert row["title"] == "Pause ad 'a1' in 's1'"


def test_the_longest_title_fits_its_column() -> None:
    entities = frame(
        [
            {"config_id": 1, "entity_type": level, "entity_id": entity_id, "name": "W" * 300}
            for level, entity_id in (("campaign", "c1"), ("adset", "s1"), ("ad", "a1"), ("ad", "a2"))
        ],
        ENTITIES,
    )
    for language in LANGUAGES:
        for row in described(every_rule(), language, entities=entities):
            assert len(row["title"]) <= 255


@pytest.mark.parametrize(
    ("currency", "language", "told"),
    [
        ("BRL", "pt-BR", "de R$ 1.234,50 para R$ 1.481"),
        ("BRL", "en", "from R$1,234.50 to R$1,481"),
        ("USD", "en", "from $1,234.50 to $1,481"),
        ("USD", "pt-BR", "de US$ 1.234,50 para US$ 1.481"),
        ("CLP", "pt-BR", "de CLP 1.234 para CLP 1.481"),
        ("PLN", "en", "from PLN 1,234.50 to PLN 1,481"),
        (None, "en", "from 1,234.50 to 1,481"),
    ],
)
def test_money_is_written_as_the_language_writes_it(currency: str | None, language: str, told: str) -> None:
    accounts = frame([{"config_id": 1, "currency": currency, "timezone": None}], ACCOUNTS)
    (row,) = described(
        [decision("low_cpl", "campaign", budget=1234.5, budget_after=1481.0)], language, accounts=accounts
    )
    assert told in row["description"]
    assert row["expires_at"] == dt.datetime.combine(D + dt.timedelta(days=7), dt.time(), dt.UTC)


def test_millions_are_grouped_and_certainty_is_never_claimed() -> None:
    (row,) = described([decision("hopeless_cpl", spend=12_345_678.9, probability=1.0 - 1e-9)])
    assert "R$12,345,678.90" in row["description"]
    assert "99.9% probability" in row["description"]
