"""A notice as plain text, for a terminal."""

from collections.abc import Iterator

from ml_assets.notices.message import Notice

_MARKUP = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
"""Escaped characters and what they stand for; the ampersand last, so that nothing is read twice."""


def plain_text(notice: Notice) -> str:
    """The blocks of the notice below each other; its one line where it has none."""
    return "\n".join(_lines(notice)).strip("\n") if notice.blocks else notice.text


def _lines(notice: Notice) -> Iterator[str]:
    for block in notice.blocks:
        if block["type"] == "header":
            yield f"\n{block['text']['text']}"
        elif block["type"] == "section":
            yield _unescaped(block["text"]["text"])
        elif block["type"] == "context":
            yield from (_unescaped(element["text"]) for element in block["elements"])
        else:
            yield ""


def _unescaped(text: str) -> str:
    for written, meant in _MARKUP:
        text = text.replace(written, meant)
    return text
