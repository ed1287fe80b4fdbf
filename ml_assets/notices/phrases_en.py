"""English: what notices say beside the sentences of incidents and recommendations."""

PHRASES = {
    "raised": "{severity}: {account}",
    "grown": "{severity}, and growing: {account}",
    "recovered": "Over: {account}",
    "withdrawn": "Withdrawn: {account}",
    "at_stake": "{money} a day at stake",
    "lost": "{money} so far",
    "since": "since {day}",
    "grown_from": "was {money} a day when last told",
    "withdrawn_why": "the figures have been restated and no longer show it",
    "incident": "incident {short}",
    "run_failed": "{job} failed",
    "run_of": "Partitions: {partitions}.",
    "run_link": "<{url}|Run {short}>",
    "run": "Run {short}",
    "stale": "No new figures of {account}",
    "stale_since": "Nothing was read for {hours} hours, since {moment} UTC: check the source, or what loads "
    "it. Until figures come, decisions rest on old ones, and the running day is not judged.",
    "test": "ml_assets can send notifications here.",
}
