"""The page as one file without external resources: its template, style, program and data."""

import base64
import hashlib
import json
from pathlib import Path

HERE = Path(__file__).parent


def make_page(content: dict) -> str:
    """The page that shows `content`: HTML, ASCII only.

    Names are safe in it, whatever they hold: they are JSON, in which `<` is escaped, and the program writes them as
    text. The page's content security policy allows its own program and style, by their digests, images within the
    page, and no connections.
    """
    style, program = _read("page.css"), _read("page.js")
    parts = {
        "STYLE_DIGEST": _digest(style), "PROGRAM_DIGEST": _digest(program), "STYLE": style, "PROGRAM": program,
        "DATA": json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    }  # fmt: skip
    before, *rest = _read("page.html").split("{{")
    pieces = [piece.split("}}", 1) for piece in rest]
    return before + "".join(parts[name] + after for name, after in pieces)


def as_data_url(image: bytes) -> str:
    """A WebP image as a URL that holds it."""
    return "data:image/webp;base64," + base64.b64encode(image).decode()


def _read(name):
    return (HERE / name).read_text(encoding="utf-8")


def _digest(text):
    """As a content security policy writes it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
