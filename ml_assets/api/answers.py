"""JSON answers: rows as they are stored, written without detours, with the time of the data they rest on."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from fastapi import Response

_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_SERIALIZE_NUMPY
_OPEN = (b"{", b"[")


def json_answer(
    document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A document as JSON: times in RFC 3339 with Z, NaN as null, `orjson.Fragment` as it stands."""
    return Response(orjson.dumps(document, option=_OPTIONS), status, dict(headers or {}), "application/json")


def page_document(
    items: Iterable[Mapping[str, Any]], next_cursor: str | None, data_as_of: dt.datetime | None
) -> dict[str, Any]:
    """One page of a list, as `json_answer` takes it."""
    return {"items": list(items), "next_cursor": next_cursor, "data_as_of": data_as_of}


def stored_json(text: str | None) -> orjson.Fragment | None:
    """JSON text of a column, to stand in an answer unparsed; null where there is none.

    What is no JSON (a loader's doing) is answered as the text it is.
    """
    if text is None:
        return None
    if text.startswith(("{", "[")):
        return orjson.Fragment(text)
    try:
        return orjson.Fragment(orjson.dumps(orjson.loads(text)))
    except orjson.JSONDecodeError:
        return orjson.Fragment(orjson.dumps(text))
