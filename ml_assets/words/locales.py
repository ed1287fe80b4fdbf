"""How English and Brazilian Portuguese write numbers, money and days."""

from ml_assets.words.numbers import Locale

EN = Locale(
    thousands=",",
    decimal=".",
    percent="%",
    date_format="%b %-d, %Y",
    day_format="%b %-d",
    symbols={"BRL": "R$", "USD": "$", "EUR": "€", "GBP": "£", "MXN": "MX$", "CAD": "CA$", "AUD": "A$"},
)

PT_BR = Locale(
    thousands=".",
    decimal=",",
    percent="%",
    date_format="%d/%m/%Y",
    day_format="%d/%m",
    symbols={"BRL": "R$ ", "USD": "US$ ", "EUR": "€ ", "GBP": "£ "},
)
