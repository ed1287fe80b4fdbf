"""Words in the cells of an export, in three languages: totals, delivery, budgets, results, objectives.

All are written as `headings.plain` leaves them: without accents and in lower case.
"""

from dataclasses import dataclass

import polars as pl

TOTALS = ("all", "total", "totals", "todos", "todas", "todo", "tudo", "totais", "totales", "grand total",
          "total geral", "total general")  # fmt: skip
"""What stands in the day or name of a totals row."""

TOTAL_PHRASE = r"^(results from|resultados? de|total (of|de|da|do)) \d+"

DELIVERY = {
    "ACTIVE": ("active", "on", "ativo", "ativa", "ativado", "activo", "activa", "activado", "em veiculacao",
               "en circulacion", "delivering", "learning", "aprendizado", "em aprendizado", "aprendizaje",
               "en aprendizaje", "learning limited", "aprendizado limitado", "aprendizaje limitado"),
    "PAUSED": ("inactive", "off", "paused", "inativo", "inativa", "desativado", "desativada", "pausado",
               "pausada", "inactivo", "inactiva", "desactivado", "desactivada", "not delivering",
               "not_delivering", "sem veiculacao", "nao veiculado", "nao esta em veiculacao", "sin entrega",
               "no se entrega", "no se esta entregando", "completed", "recently completed",
               "recently_completed", "concluido", "concluida", "completado", "completada", "finalizado"),
    "CAMPAIGN_PAUSED": ("campaign off", "campaign is off", "campanha desativada", "campana desactivada"),
    "ADSET_PAUSED": ("ad set off", "ad set is off", "ad sets off", "conjunto de anuncios desativado",
                     "conjunto de anuncios desactivado"),
    "ARCHIVED": ("archived", "arquivado", "arquivada", "archivado", "archivada"),
    "DELETED": ("deleted", "excluido", "excluida", "eliminado", "eliminada"),
    "PENDING_REVIEW": ("in review", "pending review", "pending", "em analise", "en revision", "pendente",
                       "pendiente"),
    "DISAPPROVED": ("rejected", "disapproved", "rejeitado", "rejeitada", "rechazado", "rechazada"),
    "WITH_ISSUES": ("error", "errors", "with issues", "erro", "erros", "errores", "com problemas"),
    "IN_PROCESS": ("processing", "in process", "processando", "en proceso", "procesando"),
}  # fmt: skip
"""Meta's effective_status -> what Ads Manager writes for it."""

LEARNING = {
    "LEARNING": ("learning", "aprendizado", "em aprendizado", "aprendizaje", "en aprendizaje"),
    "FAIL": ("learning limited", "aprendizado limitado", "aprendizaje limitado"),
}
"""Learning state of an adset -> the delivery words that tell it."""

LIFETIME = ("lifetime", "lifetime budget", "vitalicio", "total", "orcamento total", "orcamento vitalicio",
            "de por vida", "presupuesto total", "del conjunto de la campana")  # fmt: skip
"""Words of a budget that is for the whole run; every other word means a day."""

LEAD = "lead"
META_LEAD = "onsite_conversion.lead_grouped"
PIXEL_LEAD = "offsite_conversion.fb_pixel_lead"
LEAD_ACTIONS = (LEAD, META_LEAD, PIXEL_LEAD)
"""Action types that count as a lead unless the account says otherwise."""


@dataclass(frozen=True)
class ResultKind:
    """A kind of result: Meta's action type, the goal of the adset and the objective behind it, its words."""

    action: str
    goal: str
    objective: str
    words: tuple[str, ...]


RESULT_KINDS = (
    ResultKind(LEAD, "LEAD_GENERATION", "OUTCOME_LEADS", (
        "leads", "lead generation", "cadastros", "cadastro", "clientes potenciales", "cliente potencial",
        "geracao de cadastros", "generacion de clientes potenciales", "onsite_web_lead")),
    ResultKind(META_LEAD, "LEAD_GENERATION", "OUTCOME_LEADS", (
        "meta leads", "leads (form)", "leads (forms)", "form leads", "on-facebook leads",
        "instant form leads",
        "leadgen", "leadgen_grouped", "leadgen.other", "leadgen_other", "leads (formulario)",
        "leads (formularios)", "leads no meta", "leads na meta", "leads da meta", "leads no facebook",
        "cadastros (formulario)", "cadastros no meta", "cadastros na meta", "cadastros no facebook",
        "clientes potenciales (formulario)", "clientes potenciales de meta",
        "clientes potenciales en meta", "clientes potenciales en facebook")),
    ResultKind(PIXEL_LEAD, "OFFSITE_CONVERSIONS", "OUTCOME_LEADS", (
        "website leads", "leads on website", "leads no site", "leads do site", "cadastros no site",
        "clientes potenciales en el sitio web", "clientes potenciales del sitio web",
        "offsite_conversion.lead")),
    ResultKind("onsite_conversion.messaging_conversation_started_7d", "CONVERSATIONS", "OUTCOME_ENGAGEMENT", (
        "messaging conversations started", "messaging conversation started",
        "conversas por mensagem iniciadas",
        "conversas iniciadas por mensagem", "conversas iniciadas", "conversaciones con mensajes iniciadas",
        "conversaciones iniciadas", "conversaciones por mensaje iniciadas",
        "onsite_conversion.total_messaging_connection", "messaging_conversation_started_7d")),
    ResultKind("complete_registration", "OFFSITE_CONVERSIONS", "OUTCOME_LEADS", (
        "registrations completed", "website registrations completed", "registros concluidos",
        "cadastros concluidos", "registros completados", "offsite_conversion.fb_pixel_complete_registration",
        "omni_complete_registration")),
    ResultKind("link_click", "LINK_CLICKS", "OUTCOME_TRAFFIC", (
        "link clicks", "cliques no link", "clics en el enlace", "link_clicks", "inline_link_clicks")),
    ResultKind("landing_page_view", "LANDING_PAGE_VIEWS", "OUTCOME_TRAFFIC", (
        "landing page views", "visualizacoes da pagina de destino", "visitas a la pagina de destino",
        "omni_landing_page_view")),
    ResultKind("profile_visit_view", "PROFILE_VISIT", "OUTCOME_TRAFFIC", (
        "instagram profile visits", "visitas ao perfil do instagram", "visitas al perfil de instagram",
        "profile_visit")),
    ResultKind("reach", "REACH", "OUTCOME_AWARENESS", ("alcance",)),
    ResultKind("impressions", "IMPRESSIONS", "OUTCOME_AWARENESS", ("impressoes", "impresiones")),
    ResultKind("estimated_ad_recallers", "AD_RECALL_LIFT", "OUTCOME_AWARENESS", (
        "estimated ad recall lift (people)", "ad recall lift", "estimated_ad_recall_lift")),
    ResultKind("video_thruplay_watched_actions", "THRUPLAY", "OUTCOME_ENGAGEMENT", (
        "thruplays", "thruplay", "thruplay actions", "video_view", "video views")),
    ResultKind("post_engagement", "POST_ENGAGEMENT", "OUTCOME_ENGAGEMENT", (
        "post engagements", "post engagement", "engajamentos com a publicacao",
        "engajamento com a publicacao",
        "envolvimento com a publicacao", "interacciones con la publicacion",
        "interaccion con la publicacion")),
    ResultKind("like", "PAGE_LIKES", "OUTCOME_ENGAGEMENT", (
        "page likes", "facebook likes", "curtidas na pagina", "curtidas no facebook",
        "me gusta de la pagina")),
    ResultKind("event_responses", "EVENT_RESPONSES", "OUTCOME_ENGAGEMENT", ("event responses", "rsvp")),
    ResultKind("purchase", "OFFSITE_CONVERSIONS", "OUTCOME_SALES", (
        "purchases", "website purchases", "compras", "compras no site", "compras en el sitio web",
        "offsite_conversion.fb_pixel_purchase", "omni_purchase", "onsite_web_purchase",
        "meta purchases", "onsite_conversion.purchase")),
    ResultKind("add_to_cart", "OFFSITE_CONVERSIONS", "OUTCOME_SALES", (
        "adds to cart", "website adds to cart", "adicoes ao carrinho", "articulos agregados al carrito",
        "anadidos al carrito", "offsite_conversion.fb_pixel_add_to_cart", "omni_add_to_cart")),
    ResultKind("initiate_checkout", "OFFSITE_CONVERSIONS", "OUTCOME_SALES", (
        "checkouts initiated", "website checkouts initiated", "finalizacoes de compra iniciadas",
        "pagos iniciados", "offsite_conversion.fb_pixel_initiate_checkout", "omni_initiated_checkout")),
    ResultKind("mobile_app_install", "APP_INSTALLS", "OUTCOME_APP_PROMOTION", (
        "app installs", "instalacoes do app", "instalaciones de la app", "omni_app_install")),
)  # fmt: skip

OBJECTIVES = {
    "OUTCOME_LEADS": ("leads", "lead generation", "cadastros", "clientes potenciales", "lead_generation"),
    "OUTCOME_TRAFFIC": ("traffic", "trafego", "trafico", "link clicks", "link_clicks"),
    "OUTCOME_SALES": ("sales", "vendas", "ventas", "conversions", "conversoes", "conversiones"),
    "OUTCOME_ENGAGEMENT": ("engagement", "engajamento", "interaccion", "interacciones", "messages",
                           "mensagens", "mensajes", "post engagement", "video views"),
    "OUTCOME_AWARENESS": ("awareness", "reconhecimento", "reconocimiento", "reach", "alcance",
                          "brand awareness"),
    "OUTCOME_APP_PROMOTION": ("app promotion", "promocao do app", "promocion de la app", "app installs"),
}  # fmt: skip
"""Meta's objective -> what Ads Manager writes for it."""

ACTION_OF_WORD = {word: kind.action for kind in RESULT_KINDS for word in (kind.action, *kind.words)}
GOAL_OF_ACTION = {kind.action: kind.goal for kind in RESULT_KINDS}
OBJECTIVE_OF_ACTION = {kind.action: kind.objective for kind in RESULT_KINDS}


def plain_words(cell: pl.Expr) -> pl.Expr:
    """A text column as `headings.plain` would leave it."""
    unaccented = cell.str.normalize("NFKD").str.replace_all(r"\p{M}", "")
    return unaccented.str.to_lowercase().str.replace_all(r"[\s\u00a0]+", " ").str.strip_chars(' "')


def translated(cell: pl.Expr, table: dict[str, tuple[str, ...]]) -> pl.Expr:
    """The key of `table` whose words hold the cell; an unknown word in capitals with `_` for blanks."""
    of_word = {word: key for key, words in table.items() for word in words}
    plain = plain_words(cell)
    unknown = plain.str.to_uppercase().str.replace_all(r"[^A-Z0-9]+", "_").str.strip_chars("_")
    return plain.replace_strict(of_word, default=unknown, return_dtype=pl.String)


def action_type(cell: pl.Expr) -> pl.Expr:
    """Meta's action type of a result indicator: `actions:lead` is `lead`, "Website leads" the pixel's.

    An indicator that is not known stays as it is, without its prefix and in lower case.
    """
    plain = plain_words(cell).str.replace(r"^(?:actions|conversions|unique_actions|results?):", "")
    return plain.replace(ACTION_OF_WORD)
