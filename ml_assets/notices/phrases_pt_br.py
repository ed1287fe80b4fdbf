"""Brazilian Portuguese: the keys of `phrases_en.py`."""

PHRASES = {
    "raised": "{severity}: {account}",
    "grown": "{severity}, e crescendo: {account}",
    "recovered": "Encerrado: {account}",
    "withdrawn": "Retirado: {account}",
    "at_stake": "{money} por dia em jogo",
    "lost": "{money} até agora",
    "since": "desde {day}",
    "grown_from": "eram {money} por dia no último aviso",
    "withdrawn_why": "os números foram corrigidos e já não o mostram",
    "incident": "incidente {short}",
    "run_failed": "{job} falhou",
    "run_of": "Partições: {partitions}.",
    "run_link": "<{url}|Execução {short}>",
    "run": "Execução {short}",
    "stale": "Sem novos números de {account}",
    "stale_since": "Nada foi lido há {hours} horas, desde {moment} UTC: verifique a fonte, ou o que a "
    "carrega. Até chegarem números, as decisões se apoiam nos antigos, e o dia corrente não é avaliado.",
    "test": "O ml_assets consegue enviar notificações para cá.",
}
