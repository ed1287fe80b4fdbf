"""The headings of an Ads Manager export in English, Portuguese and Spanish, and how they are matched.

Headings are compared without accents, case, extra blanks and a trailing currency "(XXX)". What stands in
the cells is not said here.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

HEADINGS: dict[str, tuple[str, ...]] = {
    "day": ("day", "date", "dia", "data", "fecha"),
    "starts": ("reporting starts", "inicio dos relatorios", "inicio do relatorio", "inicio del informe"),
    "ends": (
        "reporting ends", "termino dos relatorios", "encerramento dos relatorios", "fim dos relatorios",
        "termino do relatorio", "encerramento do relatorio", "fin del informe", "finalizacion del informe",
    ),
    "account_name": ("account name", "ad account name", "nome da conta", "nome da conta de anuncios",
                     "nombre de la cuenta", "nombre de la cuenta publicitaria"),
    "account_id": ("account id", "ad account id", "identificacao da conta", "id da conta",
                   "identificador de la cuenta", "id de la cuenta"),
    "currency": ("currency", "account currency", "moeda", "moeda da conta", "divisa", "moneda"),
    "campaign_name": ("campaign name", "campaign", "nome da campanha", "campanha", "nombre de la campana",
                      "campana"),
    "campaign_id": ("campaign id", "identificacao da campanha", "id da campanha",
                    "identificador de la campana", "id de la campana"),
    "adset_name": ("ad set name", "adset name", "ad set", "nome do conjunto de anuncios",
                   "conjunto de anuncios", "nombre del conjunto de anuncios"),
    "adset_id": ("ad set id", "adset id", "identificacao do conjunto de anuncios",
                 "id do conjunto de anuncios", "identificador del conjunto de anuncios",
                 "id del conjunto de anuncios"),
    "ad_name": ("ad name", "ad", "nome do anuncio", "anuncio", "nombre del anuncio"),
    "ad_id": ("ad id", "identificacao do anuncio", "id do anuncio", "identificador del anuncio",
              "id del anuncio"),
    "campaign_delivery": ("campaign delivery", "campaign status", "veiculacao da campanha",
                          "status da campanha", "entrega de la campana", "estado de la campana"),
    "adset_delivery": ("ad set delivery", "ad set status", "veiculacao do conjunto de anuncios",
                       "veiculacao do conjunto", "status do conjunto de anuncios",
                       "entrega del conjunto de anuncios", "entrega del conjunto",
                       "estado del conjunto de anuncios"),
    "ad_delivery": ("ad delivery", "ad status", "veiculacao do anuncio", "status do anuncio",
                    "entrega del anuncio", "estado del anuncio"),
    "delivery": ("delivery", "delivery status", "status de veiculacao", "veiculacao",
                 "estado de la entrega", "entrega"),
    "spend": ("amount spent", "spend", "valor usado", "valor gasto", "quantia gasta", "importe gastado",
              "monto gastado", "cantidad gastada"),
    "results": ("results", "resultados"),
    "indicator": ("result indicator", "result type", "indicador de resultados", "indicador de resultado",
                  "tipo de resultado", "tipo de resultados"),
    "impressions": ("impressions", "impressoes", "impresiones"),
    "reach": ("reach", "alcance"),
    "frequency": ("frequency", "frequencia", "frecuencia"),
    "link_clicks": ("link clicks", "cliques no link", "clics en el enlace"),
    "clicks": ("clicks (all)", "cliques (todos)", "clics (todos)"),
    "leads": ("leads", "cadastros", "clientes potenciales"),
    "meta_leads": ("meta leads", "on-facebook leads", "leads (form)", "leads (formulario)", "leads no meta",
                   "leads na meta", "leads da meta", "leads no facebook", "cadastros (formulario)",
                   "cadastros no meta", "clientes potenciales de meta", "clientes potenciales en meta",
                   "clientes potenciales (formulario)", "clientes potenciales en facebook"),
    "website_leads": ("website leads", "leads no site", "leads do site", "cadastros no site",
                      "clientes potenciales en el sitio web", "clientes potenciales del sitio web"),
    "objective": ("objective", "campaign objective", "objetivo", "objetivo da campanha",
                  "objetivo de la campana"),
    "attribution_setting": ("attribution setting", "configuracao de atribuicao",
                            "configuracion de atribucion"),
    "campaign_budget": ("campaign budget", "orcamento da campanha", "presupuesto de la campana"),
    "campaign_budget_type": ("campaign budget type", "tipo de orcamento da campanha",
                             "tipo de presupuesto de la campana"),
    "adset_budget": ("ad set budget", "orcamento do conjunto de anuncios", "orcamento do conjunto",
                     "presupuesto del conjunto de anuncios", "presupuesto del conjunto"),
    "adset_budget_type": ("ad set budget type", "tipo de orcamento do conjunto de anuncios",
                          "tipo de presupuesto del conjunto de anuncios"),
    "budget": ("budget", "orcamento", "presupuesto"),
    "budget_type": ("budget type", "tipo de orcamento", "tipo de presupuesto"),
}  # fmt: skip
"""Field -> its headings, already without accents and in lower case."""

BREAKDOWNS = frozenset(
    {
        "age", "gender", "country", "region", "dma region", "platform", "placement", "device platform",
        "impression device", "conversion device", "publisher platform", "product id", "media type",
        "time of day (ad account time zone)", "time of day (viewer's time zone)", "headline", "body",
        "image, video and slideshow", "call to action", "business locations",
        "idade", "genero", "pais", "regiao", "plataforma", "posicionamento", "dispositivo",
        "dispositivo de impressao", "plataforma do dispositivo", "identificacao do produto",
        "hora do dia (fuso horario da conta de anuncios)", "hora do dia (fuso horario do visualizador)",
        "edad", "sexo", "region dma", "ubicacion", "dispositivo de impresion", "plataforma del dispositivo",
        "identificador del producto", "hora del dia (zona horaria de la cuenta publicitaria)",
        "hora del dia (zona horaria del espectador)",
    }
)  # fmt: skip
"""Headings of columns that split the row of an entity and a day further."""

PORTUGUESE = re.compile(r"\b(dos relatorios|da campanha|do conjunto|do anuncio|usado|impressoes|cliques)\b")
SPANISH = re.compile(r"\b(del informe|de la campana|del conjunto|del anuncio|gastado|impresiones|clics)\b")

CURRENCIES = frozenset(
    {
        "AED", "ALL", "ARS", "AUD", "AZN", "BDT", "BGN", "BHD", "BOB", "BRL", "CAD", "CHF", "CLP", "CNY",
        "COP", "CRC", "CZK", "DKK", "DOP", "DZD", "EGP", "EUR", "GBP", "GHS", "GTQ", "HKD", "HNL", "HRK",
        "HUF", "IDR", "ILS", "INR", "ISK", "JOD", "JPY", "KES", "KRW", "KWD", "KZT", "LBP", "LKR", "MAD",
        "MOP", "MXN", "MYR", "NGN", "NIO", "NOK", "NZD", "OMR", "PAB", "PEN", "PHP", "PKR", "PLN", "PYG",
        "QAR", "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB", "TND", "TRY", "TWD", "TZS", "UAH", "USD",
        "UYU", "VES", "VND", "XAF", "XOF", "ZAR",
    }
)  # fmt: skip
"""ISO 4217 codes taken for a currency behind a heading."""

_CURRENCY = re.compile(r"^(.*?)\s*\(([A-Z]{3})\)$")


def plain(text: str) -> str:
    """`text` without accents, case, extra blanks and quotes: the form in which words are compared."""
    stripped = "".join(
        char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)
    )
    return " ".join(stripped.replace("\ufeff", "").replace('"', "").casefold().split())


_FIELD_OF = {heading: name for name, headings in HEADINGS.items() for heading in headings}


@dataclass(frozen=True)
class MatchedHeadings:
    """Which column of a file holds which field.

    `columns` maps a field to the position of its column; of two columns of one field the first counts.
    `currencies` are the codes seen behind headings of money, `language` is en, pt or es, `breakdowns` are
    the headings (as they stand) of columns that split a day further.
    """

    headings: tuple[str, ...]
    columns: dict[str, int]
    currencies: tuple[str, ...]
    language: str
    breakdowns: tuple[str, ...] = field(default=())


def split_currency(heading: str) -> tuple[str, str | None]:
    """`("Amount spent", "USD")` of "Amount spent (USD)"; None where no currency stands behind."""
    found = _CURRENCY.match(" ".join(heading.replace("\ufeff", "").split()).strip('"'))
    if found and found.group(2) in CURRENCIES:
        return found.group(1), found.group(2)
    return heading, None


def match_headings(headings: Sequence[str]) -> MatchedHeadings:
    """Matches the headings of a file; unknown ones are left alone."""
    columns: dict[str, int] = {}
    currencies: list[str] = []
    breakdowns: list[str] = []
    for position, heading in enumerate(headings):
        name = _FIELD_OF.get(plain(heading))
        if name is None:
            bare, currency = split_currency(heading)
            name = _FIELD_OF.get(plain(bare))
            if currency is not None and currency not in currencies:
                currencies.append(currency)
        if name is not None:
            columns.setdefault(name, position)
        elif plain(heading) in BREAKDOWNS:
            breakdowns.append(heading)
    everything = " | ".join(map(plain, headings))
    language = "pt" if PORTUGUESE.search(everything) else "es" if SPANISH.search(everything) else "en"
    return MatchedHeadings(tuple(headings), columns, tuple(currencies), language, tuple(breakdowns))
