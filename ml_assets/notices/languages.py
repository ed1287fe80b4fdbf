"""The languages notices are written in."""

from ml_assets.notices import phrases_en, phrases_pt_br
from ml_assets.words import locales
from ml_assets.words.phrases import Language

LANGUAGES: dict[str, Language] = {
    "en": Language(phrases_en.PHRASES, locales.EN),
    "pt-BR": Language(phrases_pt_br.PHRASES, locales.PT_BR),
}
