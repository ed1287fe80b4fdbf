"""From an export to entities, daily figures, leads and an account: the traps a user would fall into."""

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_assets.entities import EntityType
from ml_assets.errors import UnreadableExportError
from ml_assets.frames import ENTITIES, INSIGHTS, REJECTED_ROWS
from ml_assets.sources.ads_manager import AdsManagerExport, Export, read_export
from ml_assets.sources.ads_manager.headings import match_headings
from ml_assets.sources.protocol import InsightsSource
from ml_assets_tests.sources.ads_manager_files import AD, ADSET, CAMPAIGN, days, row, write

NOW = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


def load(tmp_path: Path, rows: list[dict[str, str]], **options: Any) -> Export:
    return read_export(write(tmp_path / "export.csv", rows), **{"known_at": NOW, **options})


def entity(export: Export, entity_id: str) -> dict[str, object]:
    return export.delivery.entities.row(by_predicate=pl.col("entity_id") == entity_id, named=True)


def leads(export: Export) -> list[int | None]:
    return export.delivery.insights.sort("date", "entity_id")["leads"].to_list()


def test_an_ad_level_file_gives_entities_of_all_levels_and_figures_of_ads(tmp_path: Path) -> None:
    export = load(tmp_path, days(3))
    entities = export.delivery.entities
    assert entities.schema == pl.Schema(ENTITIES)
    assert export.delivery.insights.schema == pl.Schema(INSIGHTS)
    assert export.delivery.rejected.schema == pl.Schema(REJECTED_ROWS)
    assert entities.select("entity_type", "entity_id", "parent_id", "campaign_id", "name").rows() == [
        ("campaign", CAMPAIGN, None, CAMPAIGN, "Leads"),
        ("adset", ADSET, CAMPAIGN, CAMPAIGN, "Broad"),
        ("ad", AD, ADSET, CAMPAIGN, "Video 1"),
    ]
    first = export.delivery.insights.row(0, named=True)
    assert first == {
        "config_id": None, "entity_type": "ad", "entity_id": AD,
        "date": dt.date(2025, 12, 1), "window_days": 1,
        "known_at": NOW, "spend": 10.5, "impressions": 1000, "reach": 900, "frequency": 1.111111,
        "clicks": 30,
        "link_clicks": 15, "leads": 2, "actions": None,
    }  # fmt: skip
    assert (export.level, export.start, export.end) == (
        EntityType.AD,
        dt.date(2025, 12, 1),
        dt.date(2025, 12, 3),
    )


def test_the_account_comes_from_the_file_and_what_is_assumed_is_said(tmp_path: Path) -> None:
    export = load(tmp_path, days(1))
    assert (export.account.account_id, export.account.name) == ("1234567890", "Clinic")
    assert (export.account.currency, export.account.timezone) == ("BRL", None)
    assert export.account.conversion_actions == ("lead",)
    assert any("--timezone" in sentence for sentence in export.assumptions)


def test_a_file_that_does_not_name_its_account_gets_the_same_account_every_time(tmp_path: Path) -> None:
    unnamed = {"account_id": None, "account_name": None}
    first = load(tmp_path, days(1, **unnamed))
    second = read_export(write(tmp_path / "another name.csv", days(2, **unnamed)))
    assert first.account.account_id == second.account.account_id
    assert load(tmp_path, days(1, **unnamed), account_id="42").account.account_id == "42"
    assert any("does not name its account" in sentence for sentence in first.assumptions)


@pytest.mark.parametrize(
    ("headings", "language", "currency"),
    [
        ("Reporting starts|Reporting ends|Day|Account name|Account ID|Campaign name|"
         "Campaign ID|Ad set name|Ad set ID|"
         "Ad name|Ad ID|Ad delivery|Amount spent (USD)|Results|Result type|"
         "Impressions|Reach|Frequency|Link clicks|"
         "Clicks (all)|Leads|Ad set budget|Campaign budget", "en", "USD"),
        ("Início dos relatórios|Encerramento dos relatórios|Dia|Nome da conta|"
         "Identificação da conta|Nome da campanha|"
         "Identificação da campanha|Nome do conjunto de anúncios|Identificação do conjunto de anúncios|"
         "Nome do anúncio|Identificação do anúncio|Veiculação do anúncio|Valor gasto (BRL)|Resultados|"
         "Indicador de resultados|Impressões|Alcance|Frequência|Cliques no link|Cliques (todos)|Leads|"
         "Orçamento do conjunto de anúncios|Orçamento da campanha", "pt", "BRL"),
        ("inicio dos relatorios|TÉRMINO DOS RELATÓRIOS|DIA|nome da conta|"
         "identificacao da conta|nome  da  campanha|"
         "identificacao da campanha|nome do conjunto de anuncios|identificacao do conjunto de anuncios|"
         "nome do anuncio|identificacao do anuncio|veiculacao do anuncio|VALOR USADO (BRL)|resultados|"
         "tipo de resultado|impressoes|alcance|frequencia|cliques no link|CLIQUES (TODOS)|LEADS|"
         "orcamento do conjunto de anuncios|orcamento da campanha", "pt", "BRL"),
        ("Inicio del informe|Fin del informe|Día|Nombre de la cuenta|"
         "Identificador de la cuenta|Nombre de la campaña|"
         "Identificador de la campaña|Nombre del conjunto de anuncios|Identificador del conjunto de anuncios|"
         "Nombre del anuncio|Identificador del anuncio|Entrega del anuncio|Importe gastado (EUR)|Resultados|"
         "Indicador de resultado|Impresiones|Alcance|Frecuencia|Clics en el enlace|Clics (todos)|"
         "Clientes potenciales|Presupuesto del conjunto de anuncios|Presupuesto de la campaña", "es", "EUR"),
    ],
)  # fmt: skip
def test_headings_are_understood_in_three_languages(headings: str, language: str, currency: str) -> None:
    matched = match_headings(headings.split("|"))
    assert list(matched.columns) == [
        "starts", "ends", "day", "account_name", "account_id", "campaign_name", "campaign_id", "adset_name",
        "adset_id", "ad_name", "ad_id", "ad_delivery", "spend", "results", "indicator",
        "impressions", "reach",
        "frequency", "link_clicks", "clicks", "leads", "adset_budget", "campaign_budget",
    ]  # fmt: skip
    assert (matched.language, matched.currencies) == (language, (currency,))


def test_totals_rows_are_skipped_wherever_they_stand(tmp_path: Path) -> None:
    blank = dict.fromkeys(
        ("campaign_name", "campaign_id", "ad_set_name", "ad_set_id", "ad_name", "ad_id", "day"), ""
    )
    total = row(**blank, amount_spent="31.50", impressions="3000")
    for rows in ([total, *days(3)], [*days(3), total]):
        export = load(tmp_path, rows)
        assert (export.totals, export.delivery.insights["spend"].sum()) == (1, 31.5)
        assert export.delivery.rejected.is_empty()
    for word in ("All", "Todos", "TODAS", "Total"):
        export = load(tmp_path, [row(day=word, amount_spent="31.50"), *days(3)])
        assert (export.totals, export.delivery.insights["spend"].sum()) == (1, 31.5)


def test_rows_that_name_only_an_upper_level_are_subtotals_and_never_counted_twice(tmp_path: Path) -> None:
    subtotal = row(ad_name="", ad_id="", amount_spent="31.50")
    export = load(tmp_path, [subtotal, *days(3)])
    assert export.delivery.insights["spend"].sum() == 31.5
    assert any("skipped as subtotals" in warning for warning in export.delivery.warnings)


def test_the_deepest_level_that_is_filled_decides(tmp_path: Path) -> None:
    empty_ads = [row(ad_name="", ad_id="")]
    assert load(tmp_path, empty_ads).level == EntityType.ADSET
    no_adsets = days(2, ad_set_name=None, ad_set_id=None, ad_name=None, ad_id=None)
    export = load(tmp_path, no_adsets)
    assert (export.level, export.delivery.entities.height) == (EntityType.CAMPAIGN, 1)


def test_ads_without_their_adset_are_refused_with_the_column_to_add(tmp_path: Path) -> None:
    with pytest.raises(UnreadableExportError, match="add the columns Ad set name and Ad set ID"):
        load(tmp_path, days(2, ad_set_name=None, ad_set_id=None))


def test_a_file_of_ranges_is_refused_with_the_way_to_export_by_day(tmp_path: Path) -> None:
    with pytest.raises(UnreadableExportError, match=r"sums over a range of days.*By time > Day"):
        load(tmp_path, [row(day=None), row(day=None, ad_id="120210000000000318")])
    with pytest.raises(UnreadableExportError, match="By time > Day"):
        load(tmp_path, [row(day="All"), row(day="All", ad_id="120210000000000318")])


def test_reporting_starts_equal_to_reporting_ends_is_a_day(tmp_path: Path) -> None:
    rows = [row(day=None, reporting_starts=f"2025-12-0{n}", reporting_ends=f"2025-12-0{n}") for n in (1, 2)]
    assert load(tmp_path, rows).delivery.insights["date"].to_list() == [
        dt.date(2025, 12, 1),
        dt.date(2025, 12, 2),
    ]


def test_two_currencies_in_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableExportError, match="two currencies"):
        load(tmp_path, [row(**{"Cost per result (USD)": "1"})])
    with pytest.raises(UnreadableExportError, match="two currencies"):
        load(tmp_path, [row(Currency="BRL"), row(day="2025-12-02", Currency="USD")])
    with pytest.raises(UnreadableExportError, match="two currencies"):
        load(tmp_path, [row(amount_spent="R$ 10,00"), row(day="2025-12-02", amount_spent="US$ 10,00")])


def test_two_accounts_in_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableExportError, match="one ad account at a time"):
        load(tmp_path, [row(), row(day="2025-12-02", account_id="99")])


def test_without_ids_names_are_the_keys_scoped_by_their_parent(tmp_path: Path) -> None:
    no_ids = {"campaign_id": None, "ad_set_id": None, "ad_id": None}
    rows = [row(**no_ids), row(**no_ids, ad_set_name="Lookalike"), row(**no_ids, campaign_name="Other")]
    export = load(tmp_path, rows)
    entities = export.delivery.entities
    assert entities.group_by("entity_type").len().sort("entity_type").rows() == [
        ("ad", 3), ("adset", 3), ("campaign", 2),
    ]  # fmt: skip
    assert entities["entity_id"].str.starts_with("name:").all()
    again = load(tmp_path, list(reversed(rows)))
    assert again.delivery.entities["entity_id"].to_list() == entities["entity_id"].to_list()
    assert any("known by their names" in sentence for sentence in export.assumptions)


def test_ads_of_one_name_without_ids_are_added_up_and_it_is_said(tmp_path: Path) -> None:
    export = load(
        tmp_path,
        [row(ad_id=None), row(ad_id=None, amount_spent="4.50"), row(ad_id=None, amount_spent="4.50")],
    )
    assert export.delivery.insights["spend"].to_list() == [15.0]
    assert export.delivery.insights["reach"].to_list() == [None]
    assert export.delivery.rejected["reason"].to_list() == ["duplicate key: the same row stands in line 3"]
    assert any("share their names" in warning for warning in export.delivery.warnings)


def test_results_are_leads_only_where_the_indicator_is_a_lead(tmp_path: Path) -> None:
    traffic = {
        "campaign_id": "120210000000000118",
        "ad_set_id": "120210000000000218",
        "ad_id": "120210000000000318",
    }
    export = load(tmp_path, [row(), row(**traffic, result_indicator="actions:link_click", results="15")])
    assert leads(export) == [2, None]
    assert entity(export, ADSET)["optimization_goal"] == "LEAD_GENERATION"
    assert entity(export, CAMPAIGN)["objective"] == "OUTCOME_LEADS"
    assert entity(export, "120210000000000218")["optimization_goal"] == "LINK_CLICKS"
    assert entity(export, "120210000000000118")["objective"] == "OUTCOME_TRAFFIC"


@pytest.mark.parametrize(
    "indicator",
    ["actions:lead", "actions:onsite_conversion.lead_grouped",
     "actions:offsite_conversion.fb_pixel_lead", "leadgen",
     "Leads (form)", "Website leads", "Meta leads", "Cadastros", "Leads (formulário)",
     "Clientes potenciales"],
)  # fmt: skip
def test_every_word_for_a_lead_counts(tmp_path: Path, indicator: str) -> None:
    export = load(tmp_path, days(2, result_indicator=indicator))
    assert leads(export) == [2, 2]
    assert export.account.conversion_actions == ("lead",)


@pytest.mark.parametrize(
    ("indicator", "goal", "objective"),
    [
        ("reach", "REACH", "OUTCOME_AWARENESS"),
        ("Alcance", "REACH", "OUTCOME_AWARENESS"),
        ("actions:offsite_conversion.fb_pixel_purchase", "OFFSITE_CONVERSIONS", "OUTCOME_SALES"),
        ("Compras no site", "OFFSITE_CONVERSIONS", "OUTCOME_SALES"),
        (
            "actions:onsite_conversion.messaging_conversation_started_7d",
            "CONVERSATIONS",
            "OUTCOME_ENGAGEMENT",
        ),
        ("video_thruplay_watched_actions", "THRUPLAY", "OUTCOME_ENGAGEMENT"),
        ("actions:something_new", "SOMETHING_NEW", None),
    ],
)
def test_what_an_entity_seeks_instead_of_leads_is_known(
    tmp_path: Path, indicator: str, goal: str, objective: str | None
) -> None:
    export = load(tmp_path, days(2, result_indicator=indicator))
    assert leads(export) == [None, None]
    assert entity(export, ADSET)["optimization_goal"] == goal
    assert entity(export, CAMPAIGN)["objective"] == objective
    assert any("No row of the file has known leads" in warning for warning in export.delivery.warnings)


def test_blank_results_are_zero_leads_only_where_leads_are_sought(tmp_path: Path) -> None:
    blank = {"results": "", "result_indicator": ""}
    silent_campaign = {"campaign_id": "120210000000000118", "ad_set_id": "120210000000000218", "ad_id": "9"}
    rows = [
        row(),
        row(day="2025-12-02", **blank),
        row(day="2025-12-03", ad_id="120210000000000318", **blank),
        row(day="2025-12-04", ad_set_id="120210000000000219", ad_id="120210000000000319", **blank),
        row(day="2025-12-05", **silent_campaign, **blank),
    ]
    # The ad's own blank day, an ad beside it that never had a lead, an adset of a campaign that has nothing
    # but leads: zero. A campaign of which nothing is known: unknown.
    assert leads(load(tmp_path, rows)) == [2, 0, 0, 0, None]


def test_a_column_of_leads_is_preferred_and_its_blanks_are_zero(tmp_path: Path) -> None:
    rows = [
        row(Leads="3", results="15", result_indicator="actions:link_click"),
        row(day="2025-12-02", Leads=""),
    ]
    assert leads(load(tmp_path, rows)) == [3, 0]
    parts = [row(**{"Meta leads": "3", "Website leads": "4"}), row(day="2025-12-02", **{"Meta leads": "1"})]
    assert leads(load(tmp_path, parts)) == [7, 1]
    both = [row(**{"Leads": "7", "Meta leads": "3", "Website leads": "4"})]
    assert leads(load(tmp_path, both)) == [7]


def test_conversion_actions_of_the_account_decide_what_a_lead_is(tmp_path: Path) -> None:
    conversations = "onsite_conversion.messaging_conversation_started_7d"
    rows = [
        row(result_indicator=f"actions:{conversations}"),
        row(day="2025-12-02", results="", result_indicator=""),
    ]
    export = load(tmp_path, rows, conversion_actions=[conversations])
    assert leads(export) == [2, 0]
    assert entity(export, CAMPAIGN)["objective"] == "OUTCOME_LEADS"
    pixel_only = load(tmp_path, days(1), conversion_actions=["offsite_conversion.fb_pixel_lead"])
    assert leads(pixel_only) == [None]


def test_delivery_words_become_effective_status(tmp_path: Path) -> None:
    words = {
        "active": "ACTIVE", "Ativo": "ACTIVE", "Activo": "ACTIVE", "inactive": "PAUSED",
        "Off": "PAUSED",
        "Desativado": "PAUSED", "not_delivering": "PAUSED", "Not delivering": "PAUSED",
        "Em análise": "PENDING_REVIEW",
        "Rejected": "DISAPPROVED", "Ad set off": "ADSET_PAUSED", "archived": "ARCHIVED",
        "Brand new": "BRAND_NEW",
    }  # fmt: skip
    rows = [
        row(**{"Ad delivery": word}, ad_id=f"1202100000000{n:05d}")
        for n, word in enumerate(words, start=10_001)
    ]
    ads = load(tmp_path, rows).delivery.entities.filter(pl.col("entity_type") == "ad").sort("entity_id")
    assert ads["effective_status"].to_list() == list(words.values())


def test_the_newest_day_decides_what_an_entity_is(tmp_path: Path) -> None:
    rows = [
        row(day="2025-12-02", ad_name="New name", **{"Ad set delivery": "inactive"}),
        row(day="2025-12-01", ad_name="Old name", **{"Ad set delivery": "active"}),
    ]
    export = load(tmp_path, rows)
    assert entity(export, AD)["name"] == "New name"
    assert entity(export, ADSET)["effective_status"] == "PAUSED"


@pytest.mark.parametrize(
    "words", ["Using campaign budget", "Usando o orçamento da campanha", "Usar el presupuesto de la campaña"]
)
def test_a_campaign_budget_is_owned_by_the_campaign(tmp_path: Path, words: str) -> None:
    export = load(tmp_path, days(2, **{"Ad set budget": words, "Campaign budget": "150.00"}))
    assert entity(export, CAMPAIGN)["daily_budget"] == 150
    assert entity(export, ADSET)["daily_budget"] is None
    assert export.delivery.rejected.is_empty()
    assert any("Budgets are taken for daily" in sentence for sentence in export.assumptions)


def test_budget_types_tell_daily_from_lifetime(tmp_path: Path) -> None:
    budget = {"Ad set budget": "900", "Ad set budget type": "Lifetime", "Attribution setting": "7-day click"}
    adset = entity(load(tmp_path, days(1, **budget)), ADSET)
    assert (adset["daily_budget"], adset["lifetime_budget"]) == (None, 900)
    assert adset["attribution_setting"] == "7-day click"


def test_the_campaigns_tab_shows_the_campaigns_own_budget_as_ad_set_budget(tmp_path: Path) -> None:
    level = {"ad_set_name": None, "ad_set_id": None, "ad_name": None, "ad_id": None}
    export = load(tmp_path, days(1, **level, **{"Ad set budget": "80", "Ad set budget type": "Daily"}))
    assert entity(export, CAMPAIGN)["daily_budget"] == 80


def test_a_breakdown_is_added_up_and_its_unique_counts_are_left_out(tmp_path: Path) -> None:
    rows = [row(Age="18-24"), row(Age="25-34", amount_spent="4.50", results="1")]
    export = load(tmp_path, rows)
    day = export.delivery.insights.row(0, named=True)
    assert export.delivery.insights.height == 1
    assert (day["spend"], day["impressions"], day["leads"]) == (15.0, 2000, 3)
    assert (day["reach"], day["frequency"]) == (None, None)
    assert any("broken down by Age" in warning for warning in export.delivery.warnings)


def test_a_breakdown_that_is_not_known_is_refused_rather_than_halved(tmp_path: Path) -> None:
    rows = [row(Mystery=str(n), amount_spent=f"{n}.5") for n in range(1, 5)]
    with pytest.raises(UnreadableExportError, match=r"columns not understood: Mystery"):
        load(tmp_path, rows)


def test_rows_that_cannot_be_right_are_set_aside_with_line_and_reason(tmp_path: Path) -> None:
    rows = [
        *days(6),
        row(day="2025-12-10", amount_spent="-5"),
        row(day="2025-12-11", link_clicks="2000"),
        row(day="2025-12-12", ad_set_id=""),
        row(day=""),
        row(day="yesterday"),
        row(day="2025-12-13", impressions="many"),
        row(day="2025-12-14", amount_spent="NaN"),
        row(day="2025-12-01"),
        row(day="2025-12-02", amount_spent="99"),
        row(day="2031-01-01"),
        row(day="2025-12-15", ad_id=""),
    ]
    export = load(tmp_path, rows)
    assert export.delivery.insights.height == 6
    assert export.delivery.rejected.select("line", "reason").rows() == [
        (8, "spend is negative (-5)"),
        (9, "link_clicks (2000) exceed impressions (1000)"),
        (10, "orphan: the row names no ad set (id is blank)"),
        (11, "the row has no date"),
        (12, "the day yesterday is not a date"),
        (13, "impressions is not a whole number (many)"),
        (14, "spend is not a finite number"),
        (15, "duplicate key: the same row stands in line 2"),
        (16, "duplicate key: line 3 has other figures for the same entity and day"),
        (17, "the date 2031-01-01 lies in the future"),
        (18, "the row names no ad (id is blank)"),
    ]
    assert '"Amount spent (BRL)":"-5"' in export.delivery.rejected["raw"][0]
    assert export.rows == export.delivery.insights.height + export.delivery.rejected.height


def test_odd_but_possible_rows_are_loaded_with_a_warning(tmp_path: Path) -> None:
    export = load(tmp_path, days(2, **{"Clicks (all)": "1500", "results": "1600"}))
    assert export.delivery.insights.height == 2
    assert {"2 of 2 rows have more clicks than impressions; they were loaded.",
            "2 of 2 rows have more leads than clicks (view-through); they were loaded."} <= set(
        export.delivery.warnings
    )  # fmt: skip


def test_days_without_delivery_have_no_row_and_blank_figures_are_zero(tmp_path: Path) -> None:
    nothing = dict.fromkeys(
        ("amount_spent", "impressions", "reach", "frequency", "link_clicks", "Clicks (all)"), ""
    )
    idle = row(day="2025-12-02", ad_id="120210000000000318", results="", **nothing)
    export = load(tmp_path, [row(link_clicks="", reach=""), idle])
    assert export.delivery.insights.select("link_clicks", "reach").rows() == [(0, None)]
    assert (export.without_delivery, export.delivery.rejected.height) == (1, 0)
    assert "120210000000000318" in export.delivery.entities["entity_id"].to_list()


def test_a_missing_figure_is_null_and_the_warning_says_what_is_off(tmp_path: Path) -> None:
    export = load(tmp_path, days(2, **{"Clicks (all)": None, "reach": None}))
    assert export.delivery.insights["clicks"].null_count() == 2
    assert any("no column for clicks: CTR, CPC and CVR" in warning for warning in export.delivery.warnings)
    assert any("no column for reach" in warning for warning in export.delivery.warnings)


def test_without_leads_or_indicator_leads_are_unknown_and_it_is_said(tmp_path: Path) -> None:
    export = load(tmp_path, days(2, result_indicator=None))
    assert leads(export) == [None, None]
    assert export.account.conversion_actions is None
    assert any("--conversion-actions" in warning for warning in export.delivery.warnings)


def test_known_at_is_never_before_the_end_of_the_data(tmp_path: Path) -> None:
    early = load(tmp_path, days(3), known_at=dt.datetime(2025, 12, 2, tzinfo=dt.UTC))
    assert early.known_at == dt.datetime(2025, 12, 4, tzinfo=dt.UTC)
    assert early.delivery.insights["known_at"].unique().to_list() == [early.known_at]
    before = dt.datetime.now(dt.UTC)
    assert read_export(write(tmp_path / "export.csv", days(3))).known_at >= before


def test_the_source_gives_what_was_asked_for_and_known(tmp_path: Path) -> None:
    source: InsightsSource = AdsManagerExport(write(tmp_path / "export.csv", days(5)), known_at=NOW)
    assert source.account().account_id == "1234567890"
    assert source.entities().entities.height == 3
    second, third = dt.date(2025, 12, 2), dt.date(2025, 12, 3)
    assert source.insights([EntityType.AD], second, third, NOW).insights["date"].to_list() == [second, third]
    assert source.insights([EntityType.ADSET], second, third, NOW).insights.is_empty()
    assert source.insights([EntityType.AD], second, third, NOW - dt.timedelta(days=1)).insights.is_empty()


def test_the_order_of_the_rows_changes_nothing(tmp_path: Path) -> None:
    rows = [
        *days(4),
        *days(4, ad_id="120210000000000318", ad_name="Video 2", results="", result_indicator=""),
    ]
    first, second = load(tmp_path, rows).delivery, load(tmp_path, rows[::-1]).delivery
    order = ["entity_id", "date"]
    assert first.insights.sort(order).equals(second.insights.sort(order))
    assert first.entities.equals(second.entities)
