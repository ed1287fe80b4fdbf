from ml_assets.report import text


def test_undefined_values_are_a_dash_and_never_zero() -> None:
    assert text.money(None) == text.count(None) == text.share(None) == text.DASH
    assert text.interval(None, 1.0, 2.0) == text.DASH
    assert text.days(None, 1.0, 2.0) == text.DASH
    assert text.money(0.0) == "0.00"


def test_amounts_lose_their_cents_where_they_no_longer_matter() -> None:
    assert text.money(999.5) == "999.50"
    assert text.money(12345.6) == "12,346"


def test_names_lose_line_breaks_and_terminal_codes_but_not_brackets() -> None:
    assert text.clean("\x1b[31m[Lead]\nAd\t1", "7") == "[31m[Lead] Ad 1"
    assert text.clean(" \x00 ", "7") == "7"
    assert text.clean(None, "7") == "7"


def test_needs_are_spend_or_leads_and_days_as_well() -> None:
    assert text.needs({"spend": 17.2, "leads": 1, "delivery_days": 0}) == "17.20 more spend or 1 more lead"
    assert text.needs({"spend": 0.0, "leads": 0, "delivery_days": 2}) == "2 more days"
    assert text.needs({"spend": 17.2, "leads": 2, "delivery_days": 1}) == (
        "17.20 more spend or 2 more leads, 1 more day"
    )
    assert text.needs(None) == text.DASH


def test_what_a_tier_was_before() -> None:
    assert text.before("LOW", "up", 1) == "up, was low"
    assert text.before("LOW", "same", 9) == "same for 9 d"
    assert text.before(None, None, 1) == "new"
    assert text.before(None, None, None) == text.DASH
