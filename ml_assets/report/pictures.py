"""Plots as pictures that fit a page and an event log."""

import base64
import struct
import zlib
from typing import Any

LARGEST = 60_000
"""Characters of a picture inside a page: the event log of a run holds one for each."""

SCALES = (1.5, 1.0)
"""Pixels of the picture for each of the plot; the first that is small enough."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(spec: dict[str, Any], scale: float, language: str = "en") -> bytes:
    """A plot in Vega-Lite as a PNG picture; numbers and days as `language` writes them."""
    import vl_convert  # noqa: PLC0415 - slow to load, and most reports draw nothing

    locale = "pt-BR" if language == "pt-BR" else "en-US"
    return squeezed(
        vl_convert.vegalite_to_png(spec, scale=scale, format_locale=locale, time_format_locale=locale)
    )


def markdown_image(spec: dict[str, Any], name: str, language: str = "en") -> str:
    """A plot as a Markdown image that carries its data: at most `LARGEST` characters, else empty."""
    # brackets end the text of an image in Markdown
    text = name.replace("[", "(").replace("]", ")")
    for scale in SCALES:
        data = base64.b64encode(picture(spec, scale, language)).decode("ascii")
        image = f"![{text}](data:image/png;base64,{data})"
        if len(image) <= LARGEST:
            return image
    return ""


def squeezed(png: bytes) -> bytes:
    """The same picture in a third of the bytes: the writer of the picture is in a hurry, an event log is not.

    A PNG is a signature and chunks of length, kind, data and checksum; its pixels are the joined IDAT data.
    """
    chunks: list[tuple[bytes, bytes]] = []
    at = len(PNG_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += length + 12
    pixels = zlib.compress(zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT")), 9)
    kept = [(kind, data) for kind, data in chunks if kind not in (b"IDAT", b"IEND")]
    return PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [*kept, (b"IDAT", pixels), (b"IEND", b"")]
    )
