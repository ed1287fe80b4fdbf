"""Cursors: where a page ended, opaque to callers, and of the list that they were made for alone."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ml_assets.api.problems import Problem

_MARK_BYTES = 6


def write_cursor(place: Sequence[Any], filters: Mapping[str, Any]) -> str:
    """The cursor after a row: the values it is sorted by, as JSON can hold them."""
    document = [_mark(filters), *(None if value is None else str(value) for value in place)]
    return base64.urlsafe_b64encode(orjson.dumps(document)).decode().rstrip("=")


def read_cursor(text: str, filters: Mapping[str, Any], size: int) -> list[str | None]:
    """The `size` values of a cursor as texts. Raises Problem 422 for one that was not made for this list."""
    try:
        padded = text + "=" * (-len(text) % 4)
        document = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, orjson.JSONDecodeError, ValueError) as error:
        raise _wrong() from error
    if not isinstance(document, list) or len(document) != size + 1 or document[0] != _mark(filters):
        raise _wrong()
    values = document[1:]
    if not all(value is None or isinstance(value, str) for value in values):
        raise _wrong()
    return values


def _mark(filters: Mapping[str, Any]) -> str:
    """Changes with the filters of the list."""
    text = repr(sorted((name, str(value)) for name, value in filters.items()))
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=_MARK_BYTES).hexdigest()


def _wrong() -> Problem:
    return Problem(
        422,
        "query.cursor is not a cursor of this list: take `next_cursor` of the page before as it is, with the "
        "same filters, or leave it out to begin again.",
    )
