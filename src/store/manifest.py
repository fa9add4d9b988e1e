"""A subset as a CSV file: the annotation table's rows, with the digest of each video's bytes."""

import hashlib
import json
import math
from pathlib import Path

import pandas as pd

from src.files import write_text
from src.sources import SPLITS, check_disjoint
from src.store.clip_store import clip_name
from src.store.contents import MANIFEST_COLUMNS, OLD_COLUMNS, SPANS


def with_spans(subset: pd.DataFrame) -> pd.DataFrame:
    """The table with the columns start, end and rate as float, NaN where it lacks them."""
    return subset.assign(**{name: subset[name].astype(float) if name in subset else math.nan for name in SPANS})


def name_clips(subset: pd.DataFrame) -> pd.DataFrame:
    """The table (with `digest`) with one more column, `clip_name`, each clip's name in the store."""
    subset = with_spans(subset)
    rows = zip(subset.video_id, subset.digest, subset.start, subset.end, subset.rate, strict=True)
    return subset.assign(clip_name=[clip_name(*row) for row in rows])


def write_manifest(subset: pd.DataFrame, path: str | Path) -> None:
    """Writes a subset as CSV (UTF-8), with its `digest` column. The file appears complete or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, format_manifest(subset))


def format_manifest(subset: pd.DataFrame) -> str:
    """The text of a manifest."""
    return with_spans(subset)[MANIFEST_COLUMNS].to_csv(index=False, lineterminator="\n")


def read_manifest(path: str | Path) -> pd.DataFrame:
    """Reads what `write_manifest` wrote: the same columns, types, rows and order.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing, a split, a class_index or a time is invalid, or two splits share a group.
    """
    again = "Prepare the subset again with preprocess_data.ipynb; move the file away if it is another one."
    if Path(path).exists() and not Path(path).is_file():  # opening a named pipe would wait forever
        raise ValueError(f"{path}: must be a manifest, but is no regular file. {again}")
    try:
        subset = pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8", encoding_errors="surrogateescape",
            lineterminator="\n",
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path}: must be a manifest, but is no CSV: {error}. {again}") from None
    missing = [column for column in OLD_COLUMNS if column not in subset]
    if missing:
        raise ValueError(
            f"{path}: a manifest has the columns {', '.join(OLD_COLUMNS)}. Missing: {', '.join(missing)}. {again}"
        )
    subset = subset.reindex(columns=MANIFEST_COLUMNS, fill_value="")  # older versions had no parts of videos
    spans = subset[SPANS].map(_read_number)
    is_index = subset["class_index"].str.fullmatch("[0-9]{1,9}")
    wrong = subset[~subset["split"].isin(SPLITS) | ~is_index | spans.eq(math.inf).any(axis=1)]
    if len(wrong):
        raise ValueError(
            f"{path}: split must be one of {', '.join(SPLITS)}, class_index a number, and start, end and rate numbers "
            f"or empty. {len(wrong)} rows are invalid, first {wrong.iloc[0].to_dict()}. {again}"
        )
    check_disjoint(subset)
    return subset.assign(**spans).astype({"class_index": int})


def manifest_digest(subset: pd.DataFrame, version: int = 2) -> str:
    """12 hex characters that identify a subset, from each row's video_id, label, split, group, bytes, and part.

    They do not depend on the order of the rows or on the paths of the videos, so that machines agree. The bytes are
    those that the column `digest` stands for.

    Args:
        subset: with `digest`.
        version: 1 gives the digest that older runs recorded, which did not depend on bytes.
    """
    columns = ["video_id", "label", "split", "group"]
    if version == 1:
        return hash_rows(subset[columns])
    spans = with_spans(subset)[SPANS].map(lambda value: "" if math.isnan(value) else repr(float(value)))
    return hash_rows(subset[[*columns, "digest"]].join(spans))


def hash_rows(table: pd.DataFrame) -> str:
    """12 hex characters from the rows of a table of text, in any order."""
    rows = sorted(table.to_numpy().tolist())
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


def _read_number(text):
    """The number, exactly as it was written; NaN for no text, and infinity for what is no number."""
    try:
        number = float(text or "nan")
    except ValueError:
        return math.inf
    return math.inf if text and not math.isfinite(number) else number
