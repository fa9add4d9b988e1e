"""The text of a CSV, and errors that say in which other form it is written."""

import codecs
import csv
import io
from pathlib import Path

import pandas as pd

from src.sources.names import few, printable

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
MAX_HEADER = 10_000  # characters
SAVE = "Save it as CSV UTF-8, separated by commas"


def read_cells(path: Path) -> pd.DataFrame:
    """The cells of a CSV as text, as they are written, with the column names in lower case; the index is the line.

    UTF-8 with or without a byte-order mark and UTF-16 with one are read. Empty lines, comments (#) without a comma, and
    repeated headers are passed over.

    Raises:
        ValueError: the file is not a CSV in one of these encodings, or is not separated by commas.
    """
    text = _decode(path)
    header = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    for separator, name in SEPARATORS.items():
        if "," not in header and separator in header:
            raise ValueError(f"{printable(path)}: the values must be separated by commas. Found {name}. {SAVE}.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row)) and not _is_comment(row)]
    except csv.Error as error:
        raise ValueError(
            f"{printable(path)}: line {reader.line_num}: not a CSV: {error}. Quote values that hold a comma or a quote."
        ) from None
    if not rows:
        raise ValueError(f"{printable(path)}: not a CSV: it has no line. The first must be path,label.")
    header = rows[0][1]
    names = _names(header)
    repeated = sorted({name for name in names if names.count(name) > 1 and name})
    if repeated:
        raise ValueError(f"{printable(path)}: each column must be there once. Found twice: {few(repeated)}.")
    rows = [(line, row) for line, row in rows if _names(row) != names]
    for line, row in rows:
        if any(row[len(names) :]):
            raise ValueError(
                f"{printable(path)}: line {line} has more values than the header. Quote values that hold a comma."
            )
    cells = [(row + [""] * len(names))[: len(names)] for _, row in rows]
    table = pd.DataFrame(cells, index=[line for line, _ in rows], columns=names, dtype=object)
    return table.drop(columns="", errors="ignore")


def _is_comment(row: list[str]) -> bool:
    return row[0].startswith("#") and not any(row[1:])


def _names(header: list[str]) -> list[str]:
    """Column names in lower case, without empty ones at the end."""
    return "\0".join(name.strip().lower() for name in header).rstrip("\0").split("\0")


def is_list(path: Path) -> bool:
    """Whether a file is a CSV that lists videos, by its first line."""
    if path.suffix.lower() != ".csv":
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return {"path", "label"} <= set(_names(file.readline(MAX_HEADER).split(",")))


def _decode(path: Path) -> str:
    content = path.read_bytes()
    if content.startswith(UTF16) and not content.startswith(codecs.BOM_UTF32_LE):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise ValueError(f"{printable(path)}: broken UTF-16: {error}. {SAVE}.") from None
    if b"\0" in content:
        guess = "It looks like UTF-16 without its mark" if content.count(b"\0") > len(content) // 4 else "It is binary"
        raise ValueError(
            f"{printable(path)}: not a CSV in UTF-8: byte {content.index(0):,} is NUL, which no text holds. "
            f"{guess}. {SAVE}."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        text = content.splitlines()[min(line, len(content.splitlines())) - 1].decode("cp1252", errors="replace")
        raise ValueError(
            f"{printable(path)}: not a CSV in UTF-8: line {line} holds the byte {content[error.start]:#04x}. In "
            f"cp1252, of Windows, the line is {few([text])!r}. If that is right, convert it: "
            "iconv -f cp1252 -t utf-8 old.csv > new.csv, or save it as CSV UTF-8."
        ) from None
