"""What adsets aim at, in the shape of Meta's targeting JSON, and the names people gave to everything.

Pairs of adsets that aim at the same people are made here on purpose.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ml_assets.sources.synthetic.config import SyntheticConfig
from ml_assets.sources.synthetic.tree import Tree

AUDIENCES = (
    ("Lookalike 1%", '"custom_audiences":[{"id":"23850001001","name":"Lookalike (BR, 1%) - Leads"}]'),
    ("Lookalike 3%", '"custom_audiences":[{"id":"23850001003","name":"Lookalike (BR, 3%) - Leads"}]'),
    ("Lookalike 5%", '"custom_audiences":[{"id":"23850001005","name":"Lookalike (BR, 5%) - Visitors"}]'),
    ("Remarketing 30d", '"custom_audiences":[{"id":"23850002030","name":"Website visitors 30d"}]'),
    ("Remarketing 180d", '"custom_audiences":[{"id":"23850002180","name":"Website visitors 180d"}],'
     '"excluded_custom_audiences":[{"id":"23850003001","name":"Customers"}]'),
    ("Instagram engagers", '"custom_audiences":[{"id":"23850002365","name":"Instagram engagement 365d"}]'),
    ("Broad", '"excluded_custom_audiences":[{"id":"23850003001","name":"Customers"}]'),
    ("Interest education", '"flexible_spec":[{"interests":[{"id":"6003050657850","name":"Online learning"},'
     '{"id":"6003327060545","name":"Higher education"}]}]'),
    ("Interest careers", '"flexible_spec":[{"interests":[{"id":"6003349442621","name":"Career development"},'
     '{"id":"6003277229371","name":"Job hunting"}],'
     '"behaviors":[{"id":"6002714895372","name":"Frequent travelers"}]}]'),
    ("Interest languages", '"flexible_spec":[{"interests":[{"id":"6003129926917","name":"English language"},'
     '{"id":"6003263791114","name":"Study abroad"}]}]'),
    ("Interest business", '"flexible_spec":[{"interests":[{"id":"6003371567474","name":"Entrepreneurship"}]},'
     '{"behaviors":[{"id":"6002714898572","name":"Small business owners"}]}]'),
    ("Interest health", '"flexible_spec":[{"interests":[{"id":"6003384248805","name":"Physical fitness"},'
     '{"id":"6003382102565","name":"Healthy diet"}]}]'),
)  # fmt: skip
"""Label and JSON members of an audience."""

GEOS = (
    ("BR", '{"countries":["BR"]}'),
    ("SP", '{"regions":[{"key":"460","name":"Sao Paulo (state)","country":"BR"}]}'),
    ("RJ+MG", '{"regions":[{"key":"454","name":"Rio de Janeiro (state)","country":"BR"},'
     '{"key":"449","name":"Minas Gerais","country":"BR"}]}'),
    ("Sul", '{"regions":[{"key":"451","name":"Parana","country":"BR"},'
     '{"key":"458","name":"Rio Grande do Sul","country":"BR"},'
     '{"key":"459","name":"Santa Catarina","country":"BR"}]}'),
    ("Capital", '{"cities":[{"key":"269969","name":"Sao Paulo","region_id":"460","country":"BR","radius":25,'
     '"distance_unit":"kilometer"}]}'),
)  # fmt: skip

GENDERS = ("", '"genders":[1],', '"genders":[2],')
PLATFORMS = ('["facebook","instagram"]', '["instagram"]', '["facebook","instagram","audience_network"]')
AGE_MIN = np.array([18, 21, 25, 30, 35])
AGE_MAX = np.array([34, 44, 54, 65])

PRODUCTS = (
    "English Course",
    "MBA Online",
    "Free Trial Class",
    "Webinar",
    "Scholarship",
    "Open Day",
    "E-book",
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FORMATS = ("Video", "Carousel", "Image", "Reels", "Story")
HOOKS = (
    "Testimonial",
    "Last seats",
    "Price",
    "Teacher intro",
    "Before and after",
    "Question",
    "Student life",
)


@dataclass(frozen=True)
class Descriptions:
    """Texts per entity; arrays of pairs of adset indexes."""

    campaign_names: pl.Series
    adset_names: pl.Series
    ad_names: pl.Series
    targeting: pl.Series  # JSON text per adset
    overlap_pairs: np.ndarray  # [pairs, 2]


def _pick(options: tuple[str, ...], index: np.ndarray) -> np.ndarray:
    return np.array(options, dtype=object)[index]


def _overlap_pairs(config: SyntheticConfig, tree: Tree, rng: np.random.Generator) -> np.ndarray:
    """The first two adsets of campaigns picked by chance: every adset is in one pair at most."""
    parent = tree.adsets.parent
    first = np.flatnonzero(np.r_[True, parent[1:] != parent[:-1]])
    first = first[(first + 1 < len(parent))]
    first = first[parent[first + 1] == parent[first]]
    chosen = np.sort(rng.permutation(first)[: config.overlap_pairs])
    return np.stack([chosen, chosen + 1], axis=1)


def _rank(parent: np.ndarray) -> np.ndarray:
    """1, 2, 3 ... within each parent."""
    position = np.arange(len(parent))
    start = np.r_[True, parent[1:] != parent[:-1]]
    return position - np.maximum.accumulate(np.where(start, position, 0)) + 1


def describe(config: SyntheticConfig, tree: Tree) -> Descriptions:
    """Names and targeting of the whole account, deterministic per config."""
    rng = config.rng("texts")
    campaigns, adsets, ads = config.campaigns, config.adsets, config.ads
    pairs = _overlap_pairs(config, tree, rng)
    like = np.arange(adsets)
    like[pairs[:, 1]] = pairs[:, 0]

    def draw(count: int) -> np.ndarray:
        return rng.integers(0, count, adsets)[like]

    audience, geo = draw(len(AUDIENCES)), draw(len(GEOS))
    gender = draw(len(GENDERS)) * (draw(2) == 0)  # half of all aim at everybody
    platforms, advantage = draw(len(PLATFORMS)), draw(2)
    age_min, age_max = AGE_MIN[draw(len(AGE_MIN))], AGE_MAX[draw(len(AGE_MAX))]
    age_max = np.maximum(age_max, age_min + 9)
    age_max[pairs[:, 1]] = np.maximum(age_max[pairs[:, 1]] - 2, age_min[pairs[:, 1]] + 7)

    parts = pl.DataFrame(
        {
            "age_min": age_min,
            "age_max": age_max,
            "gender": _pick(GENDERS, gender),
            "geo": _pick(tuple(item[1] for item in GEOS), geo),
            "audience": _pick(tuple(item[1] for item in AUDIENCES), audience),
            "platforms": _pick(PLATFORMS, platforms),
            "advantage": advantage,
            "label": _pick(tuple(item[0] for item in AUDIENCES), audience),
            "place": _pick(tuple(item[0] for item in GEOS), geo),
            "number": _rank(tree.adsets.parent),
        },
        schema_overrides=dict.fromkeys(
            ("gender", "geo", "audience", "platforms", "label", "place"), pl.String()
        ),
    )
    texts = parts.select(
        targeting=pl.format(
            '{{"age_min":{},"age_max":{},{}"geo_locations":{},{},"publisher_platforms":{},'
            '"targeting_automation":{{"advantage_audience":{}}}}}',
            "age_min", "age_max", "gender", "geo", "audience", "platforms", "advantage",
        ),
        name=pl.format("{} | {}-{} | {} | {}", "label", "age_min", "age_max", "place", "number"),
    )  # fmt: skip
    first_month = config.first_day.month - 1
    months_before = tree.campaigns.created_days_before // 30
    campaign_names = pl.DataFrame(
        {
            "goal": np.where(tree.seeks_leads, "Leads", "Traffic"),
            "product": _pick(PRODUCTS, rng.integers(0, len(PRODUCTS), campaigns)),
            "month": _pick(MONTHS, (first_month - months_before + tree.campaigns.launch // 30) % 12),
            "number": np.arange(1, campaigns + 1),
        },
        schema_overrides={"product": pl.String(), "month": pl.String()},
    ).select(pl.format("{} | {} | {} | {}", "goal", "product", "month", "number"))
    ad_names = pl.DataFrame(
        {
            "format": _pick(FORMATS, rng.integers(0, len(FORMATS), ads)),
            "hook": _pick(HOOKS, rng.integers(0, len(HOOKS), ads)),
            "number": _rank(tree.ads.parent),
        },
        schema_overrides={"format": pl.String(), "hook": pl.String()},
    ).select(pl.format("{} | {} | v{}", "format", "hook", "number"))
    return Descriptions(
        campaign_names=campaign_names.to_series().alias("name"),
        adset_names=texts["name"],
        ad_names=ad_names.to_series().alias("name"),
        targeting=texts["targeting"],
        overlap_pairs=pairs,
    )
