import datetime as dt
import json
import random
import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from ml_assets.errors import UsageError
from ml_assets.frames import ENTITIES
from ml_assets.recommendations.frames import DECISIONS, GUARDS, PLAN_REASONS, RECOMMENDATIONS, TYPES
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.rules import RULES
from ml_assets.recommendations.words import LANGUAGES
from ml_assets.recommendations.words.documents import ACTIONS
from ml_assets.recommendations.words.sentences import DO, WHY
from ml_assets.recommendations.words.values import values
from ml_assets.words.phrases import placeholders
from ml_assets_tests.features.frames_made import Row, frame
from ml_assets_tests.recommendations.decisions_made import (
    NUMBERS,
    decision,
    described,
    every_rule,
)

PUT_IN = {"reason", "action", "parts", "number", "within"}
"""Placeholders that are filled with a phrase."""

LONG_FRACTION = {"en": r"\d\.\d{3,}", "pt-BR": r"\d,\d{3,}"}
FOREIGN_FRACTION = {"en": r"\d,\d{1,2}(?!\d)", "pt-BR": r"\d\.\d{1,2}(?!\d)"}
UNGROUPED = r"(?<![\d/])\d{5,}"


def is_complete(text: str, language: str) -> bool:
    """Sentences a person reads: capital, full stop, no holes, no machine's numbers."""
    for sign in ("null", "None", "nan", "{", "}", "  ", " .", "..", ";;", "_"):
        assert sign not in text, (sign, text)
    for pattern in (LONG_FRACTION[language], FOREIGN_FRACTION[language], UNGROUPED):
        assert not re.search(pattern, text), (pattern, text)
    return text[0].isupper() and text.endswith(".")


# ------------------------------------------------------------------------------------ phrase tables


def test_every_language_has_the_same_phrases_and_numbers_in_them() -> None:
    english = LANGUAGES["en"].phrases
    for name, language in LANGUAGES.items():
        assert set(language.phrases) == set(english), name
        for key, phrase in language.phrases.items():
            told = set(placeholders(phrase)) - {"thing", "of_thing", "the_thing", "things"}
            expected = set(placeholders(english[key])) - {"thing", "of_thing", "the_thing", "things"}
            assert told == expected, (name, key)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_placeholder_has_a_value(language: str) -> None:
    known = set(values(LANGUAGES[language], Policy())) | PUT_IN
    for key, phrase in LANGUAGES[language].phrases.items():
        assert set(placeholders(phrase)) <= known, key


def test_every_rule_type_guard_and_reason_has_its_phrases() -> None:
    phrases = LANGUAGES["en"].phrases
    rules = {rule.name for rule in RULES}
    assert set(DO) == set(WHY) == rules
    assert set(ACTIONS) == set(TYPES)
    assert {f"title.{kind}" for kind in TYPES} <= set(phrases)
    assert {f"guard.{guard}" for guard in GUARDS} <= set(phrases)
    assert {f"plan.{reason}" for reason in PLAN_REASONS} <= set(phrases)


def test_a_language_without_phrases_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="en or pt-BR"):
        described([decision("low_cpl")], "fr")


# ------------------------------------------------------------------------------------ sentences


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_at_every_level_reads_as_complete_sentences(language: str) -> None:
    for row in described(every_rule(), language):
        assert is_complete(row["description"], language)
        assert 2 <= row["description"].count(". ") + 1 <= 4, row["description"]
        assert len(row["title"]) <= 255
        assert not row["title"].endswith(".")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_guard_and_every_reason_of_the_plan_says_why_not_now(language: str) -> None:
    opening = {"en": "Not now: ", "pt-BR": "Agora não: "}[language]
    blocked = [{"blocked_by": guard} for guard in GUARDS]
    blocked += [{"blocked_by": "plan", "plan_reason": reason} for reason in PLAN_REASONS]
    blocked += [
        {"blocked_by": "plan", "plan_reason": "level_above", "above_action": action}
        for action in ("PAUSE", "BUDGET_DECREASE", "INACTIVE", "REACTIVATE")
    ]
    above = {"above_type": "campaign", "above_id": "c1"}
    for level, rule in (("campaign", "low_cpl"), ("adset", "high_cpl"), ("ad", "worst_of_siblings")):
        rows = described([decision(rule, level, **above, **values) for values in blocked], language)
        first = [row["description"].split(". ")[0] for row in rows]
        assert all(text.startswith(opening) for text in first)
        assert all(is_complete(row["description"], language) for row in rows)
        # three actions above have words of their own, any other reads as the reason without one
        assert len(set(first)) == len(GUARDS) + len(PLAN_REASONS) + 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_number_that_is_not_known_is_not_told(language: str) -> None:
    unknown: dict[str, Any] = dict.fromkeys(NUMBERS)
    rows = every_rule(**unknown)
    rows += [decision("hopeless_cpl", **unknown, blocked_by=guard) for guard in GUARDS]
    for row in described(rows, language):
        assert is_complete(row["description"], language)
        assert row["title"]
        assert row["cost_of_waiting"] is None
        assert json.loads(row["reasoning"])["inputs"] == {}


def test_a_pause_tells_what_decided_it_in_english() -> None:
    (row,) = described([decision("hopeless_cpl")])
    assert row["title"] == "Pause ad 'Video 3' in 'Lookalike'"
    assert row["description"] == (
        "Pause the ad: it spent R$230.10 in the last 7 days. It brought 2 leads for R$1,412.55 of spend in 14"
        " days, against 10 leads to be expected at the target of R$40; its true cost per lead is above R$60"
        " with 97.1% probability (80% interval R$68.40 to R$190). Expected per week: -0.4 leads (80% interval"
        " -1.2 to 0), -R$1,300 of spend, a cost per lead of R$38.12, a net gain of R$1,234 (80% interval"
        " -R$20.25 to R$2,200) with leads valued at the target; each week of waiting costs about R$1,234."
        " Withdrawn if that probability falls below 60%: 3 more leads without further spend would do that."
    )


def test_a_pause_tells_what_decided_it_in_portuguese() -> None:
    (row,) = described([decision("hopeless_cpl")], "pt-BR")
    assert row["title"] == "Pausar o anúncio 'Video 3' em 'Lookalike'"
    assert row["description"] == (
        "Pausar o anúncio, que gastou R$ 230,10 nos últimos 7 dias. 2 leads com R$ 1.412,55 de gasto em 14"
        " dias, quando o esperado na meta de R$ 40 seria de 10 leads; o custo por lead real está acima de"
        " R$ 60 com 97,1% de probabilidade (intervalo de 80%: R$ 68,40 a R$ 190). Esperado por semana: -0,4"
        " leads (intervalo de 80%: -1,2 a 0), -R$ 1.300 de gasto, custo por lead de R$ 38,12, ganho líquido"
        " de R$ 1.234 (intervalo de 80%: -R$ 20,25 a R$ 2.200) com os leads avaliados pela meta; cada semana"
        " de espera custa cerca de R$ 1.234. A recomendação deixa de valer se essa probabilidade cair abaixo"
        " de 60%: isso aconteceria com mais 3 leads sem novo gasto."
    )


def test_advice_on_the_longer_record_says_what_the_last_days_would_have_to_say() -> None:
    (row,) = described([decision("hopeless_cpl", days=56)])
    assert "of spend in 56 days" in row["description"]
    assert row["description"].endswith(
        "Withdrawn if the last 14 days alone make that less than 60% probable: 3 more leads without further"
        " spend would do that."
    )


def test_how_often_people_saw_an_ad_is_told_where_it_is_a_reason_to_refresh_it() -> None:
    rows = described([decision("fatigue", frequency=frequency) for frequency in (1.1, 3.4)])
    assert ["times in 7 days" in row["description"] for row in rows] == [False, True]


def test_a_change_that_leaves_the_spend_says_so() -> None:
    for language, words in (
        ("en", "leads (80% interval -1.2 to 0), the same spend,"),
        ("pt-BR", ", o mesmo gasto,"),
    ):
        (row,) = described([decision("fatigue", spend_per_week=0.0)], language)
        assert words in row["description"]


def test_a_budget_that_is_not_known_is_changed_by_a_share_not_to_an_amount() -> None:
    known, unknown = described([decision("low_cpl", "adset", utilisation=used) for used in (0.97, None)])
    assert "from R$50 to R$60" in known["description"]
    assert unknown["description"].startswith("Raise the daily budget by 20%. ")
    assert json.loads(unknown["suggested_action"]).keys().isdisjoint({"from", "to"})
    assert json.loads(unknown["suggested_action"])["change"] == 0.2


def test_no_posterior_is_called_certain() -> None:
    (row,) = described([decision("hopeless_cpl", probability=1.0)])
    assert "with 99.9% probability" in row["description"]


def test_the_noun_agrees_with_its_number() -> None:
    rows = described([decision("hopeless_cpl", leads=leads, turn_leads=1) for leads in (0, 1, 2)])
    texts = [row["description"] for row in rows]
    assert "brought no leads for" in texts[0]
    assert "brought 1 lead for" in texts[1]
    assert "brought 2 leads for" in texts[2]
    assert "1 more lead without" in texts[0]


def test_scaling_an_ad_gives_it_room_and_never_a_budget() -> None:
    for language in LANGUAGES:
        ad, adset = described([decision("low_cpl", "ad"), decision("low_cpl", "adset")], language)
        assert json.loads(ad["suggested_action"]) == {
            "action": "make_room", "entity_type": "ad", "entity_id": "a1",
        }  # fmt: skip
        assert json.loads(adset["suggested_action"]) == {
            "action": "set_daily_budget", "entity_type": "adset", "entity_id": "s1",
            "from": 50, "to": 60, "change": 0.2,
        }  # fmt: skip
        assert "50" not in ad["description"].split(". ")[0]
        assert "60" in adset["description"].split(". ")[0]


def test_a_rise_that_the_step_leaves_no_room_for_names_no_smaller_budget() -> None:
    (row,) = described([decision("low_cpl", "adset", step=-0.1, budget_after=45.0, blocked_by="step")])
    assert "45" not in row["description"]
    assert "to" not in json.loads(row["suggested_action"])


def test_a_test_names_its_rival_its_leads_and_its_price() -> None:
    (row,) = described([decision("undecided")])
    assert row["title"] == "Test ad 'Video 3' against 'Photo' in 'Lookalike'"
    assert "until each has about 12 leads, which takes about R$880 in all" in row["description"]
    assert json.loads(row["suggested_action"])["against"] == "a2"


def test_waiting_is_told_only_where_it_costs() -> None:
    gain, loss = described([decision("low_cpl"), decision("low_cpl", money_per_week=-5.0)])
    assert "each week of waiting" in gain["description"]
    assert "each week of waiting" not in loss["description"]
    assert (gain["cost_of_waiting"], loss["cost_of_waiting"]) == (1234.5, 0.0)


def test_what_was_done_already_is_told_as_done() -> None:
    done = decision("hopeless_cpl", detected_at=dt.datetime(2026, 3, 11, 1, tzinfo=dt.UTC))
    (row,) = described([done], "pt-BR")
    assert row["description"].startswith("Feito: uma alteração vista em 10/03/2026 ")  # 22:00 there
    assert (row["status"], row["applied_by"]) == ("applied", "detected")
    assert row["applied_at"] == done["detected_at"]


def test_a_blocked_one_tells_what_is_missing_and_until_when() -> None:
    rows = described(
        [
            decision("hopeless_cpl", blocked_by="recent_edit"),
            decision("hopeless_cpl", blocked_by="immature"),
            decision("hopeless_cpl", blocked_by="cooldown"),
            decision("hopeless_cpl", blocked_by="plan", plan_reason="dismissed"),
            decision(
                "hopeless_cpl", blocked_by="plan", plan_reason="level_above",
                above_type="adset", above_id="s1", above_action="PAUSE",
            ),
        ]
    )  # fmt: skip
    edit, immature, cooldown, dismissed, above = (row["description"] for row in rows)
    assert "ends by Mar 13, 2026" in edit
    assert "only 64.4% of the leads" in immature
    assert "80% are needed" in immature
    assert "about 5 days from the change" in cooldown
    assert "by Mar 24, 2026, or once the evidence has grown by 50%" in dismissed
    assert "the ad set 'Lookalike' is to be paused" in above


# ------------------------------------------------------------------------------------ documents


def test_the_reasoning_holds_rule_thresholds_inputs_and_guards() -> None:
    row, blocked = described([decision("hopeless_cpl"), decision("hopeless_cpl", blocked_by="immature")])
    told = json.loads(row["reasoning"])
    assert told["rule"] == "hopeless_cpl"
    assert told["probability"] == row["confidence_score"] == 0.97135
    assert told["thresholds"] == {"enters_at": 0.95, "withdraws_below": 0.6}
    assert told["inputs"]["spend"] == 1412.55
    assert told["tier"] == "LOW"
    assert told["guards_passed"] == list(GUARDS)
    assert (told["blocked_by"], told["plan_reason"], told["above"]) == (None, None, None)
    assert told["would_change_our_mind"] == {
        "probability_below": 0.6, "leads_without_spend": 3, "spend_without_leads": 210.4321,
    }  # fmt: skip
    assert (told["policy_version"], told["first_date"]) == (Policy().version, "2026-03-10")
    assert json.loads(blocked["reasoning"])["guards_passed"] == list(GUARDS[: GUARDS.index("immature")])


def test_the_expected_impact_has_intervals_and_the_currency() -> None:
    (row,) = described([decision("hopeless_cpl", cpl_after=None)])
    assert json.loads(row["expected_impact"]) == {
        "leads_per_week": {"value": -0.4217, "lo_80": -1.2, "hi_80": 0.01},
        "spend_per_week": {"value": -1300.257},
        "money_per_week": {"value": 1234.5, "lo_80": -20.25, "hi_80": 2200},
        "currency": "BRL",
    }


FINITE = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


ANY_NUMBERS = st.fixed_dictionaries(
    {name: FINITE for name, dtype in DECISIONS.items() if dtype == pl.Float64}
    | {
        "leads": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "turn_leads": st.one_of(st.none(), st.integers(0, 2**63 - 1)),
        "fatigue_verdict": st.text(max_size=30),
        "rival_id": st.text(max_size=30),
    }
)


@trials(max_examples=5, deadline=None)
@given(
    numbers=st.lists(ANY_NUMBERS, min_size=len(RULES), max_size=len(RULES)),
    text=st.text(max_size=30),
    language=st.sampled_from(sorted(LANGUAGES)),
)
def test_any_finite_numbers_and_any_names_give_valid_json_and_a_text(
    numbers: list[Row], text: str, language: str
) -> None:
    names = [{"config_id": 1, "entity_type": "ad", "entity_id": "a1", "name": text}]
    rows = [decision(rule.name, **drawn) for rule, drawn in zip(RULES, numbers, strict=True)]
    for row in described(rows, language, entities=frame(names, ENTITIES)):
        for column in ("suggested_action", "reasoning", "expected_impact"):
            assert isinstance(json.loads(row[column]), dict)
        assert row["description"]
        assert len(row["title"]) <= 255
        assert 1 <= row["priority"] <= 10


def test_an_infinite_number_counts_as_unknown() -> None:
    (row,) = described([decision("hopeless_cpl", cpl_hi_80=float("inf"), money_per_week=float("nan"))])
    assert "cpl_hi_80" not in json.loads(row["reasoning"])["inputs"]
    assert row["cost_of_waiting"] is None
    assert is_complete(row["description"], "en")


# ------------------------------------------------------------------------------------ priority, status


@pytest.mark.parametrize(
    ("money", "probability", "priority"),
    [(350.0, 1.0, 10), (349.0, 1.0, 9), (350.0, 0.9, 9), (44.0, 1.0, 7), (0.1, 1.0, 1), (None, 1.0, 1)],
)
def test_priority_halves_with_the_share_of_weekly_spend(
    money: float | None, probability: float, priority: int
) -> None:
    (row,) = described([decision("hopeless_cpl", money_per_week=money, probability=probability)])
    assert row["priority"] == priority


def test_a_better_rank_never_has_a_lower_priority() -> None:
    rows = [
        decision("hopeless_cpl", entity_id=f"a{rank}", rank=rank, money_per_week=money)
        for rank, money in ((3, 20.0), (1, 30.0), (2, 200.0), (4, 1.0))
    ]
    rows.append(decision("hopeless_cpl", entity_id="b", blocked_by="plan", money_per_week=400.0))
    told = {row["entity_id"]: row["priority"] for row in described(rows)}
    assert told["a1"] == told["a2"] == 9
    assert told["a2"] > told["a3"] > told["a4"]
    assert told["b"] == 10


def test_a_row_is_active_until_the_end_of_its_last_day_there() -> None:
    (active,) = described([decision("low_cpl")])
    assert active["status"] == "active"
    assert active["expires_at"] == dt.datetime(2026, 3, 17, 3, tzinfo=dt.UTC)
    assert active["created_at"] == dt.datetime(2026, 3, 11, 5, tzinfo=dt.UTC)


def test_rows_keep_their_order_and_do_not_know_each_other() -> None:
    rows = every_rule() + [decision("low_cpl", blocked_by=guard) for guard in GUARDS]
    shuffled = random.Random(7).sample(range(len(rows)), len(rows))  # noqa: S311 - an order, not a secret
    straight = described(rows)
    assert described([rows[index] for index in shuffled]) == [straight[index] for index in shuffled]


def test_no_decisions_give_no_recommendations() -> None:
    assert described([]) == []
    assert set(described([decision("low_cpl")])[0]) == set(RECOMMENDATIONS)
