"""The record of a prepared folder: its current subset, with the digest of each video's bytes, and all earlier ones.

The current subset is <root>/manifest.csv. Each that was prepared is <root>/subsets/<config key>/<name>.csv, and its
clips count as used.
"""

import hashlib
import json
from pathlib import Path

import pandas as pd

from src.files import write_text
from src.sources import COLUMNS, SPLITS, check_disjoint
from src.store.clip_store import ClipStore, clip_name

MANIFEST = "manifest.csv"


def write_manifest(subset: pd.DataFrame, path: str | Path) -> None:
    """Write a subset as CSV (UTF-8), with its `digest` column. The file appears complete or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, subset[[*COLUMNS, "digest"]].to_csv(index=False, lineterminator="\n"))


def read_manifest(path: str | Path) -> pd.DataFrame:
    """Read what `write_manifest` wrote: the same columns, types, rows and order.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing, a split or class_index is invalid, or two splits share a group.
    """
    subset = pd.read_csv(
        path, dtype=str, keep_default_na=False, encoding="utf-8", encoding_errors="surrogateescape", lineterminator="\n"
    )
    missing = [column for column in (*COLUMNS, "digest") if column not in subset]
    if missing:
        raise ValueError(
            f"{path}: a manifest has the columns {', '.join(COLUMNS)}, digest. Missing: {', '.join(missing)}. "
            "Write it again with preprocess_data.ipynb."
        )
    wrong = subset[~subset["split"].isin(SPLITS) | ~subset["class_index"].str.fullmatch("[0-9]+")]
    if len(wrong):
        raise ValueError(
            f"{path}: split must be one of {', '.join(SPLITS)}, and class_index a number. {len(wrong)} rows "
            f"are invalid, first {wrong.iloc[0].to_dict()}. Write it again with preprocess_data.ipynb."
        )
    check_disjoint(subset)
    return subset.astype({"class_index": int})[[*COLUMNS, "digest"]]


def manifest_digest(subset: pd.DataFrame) -> str:
    """12 hex characters that identify a subset: SHA-256 over each row's video_id, label, split and group.

    It does not depend on the order of the rows or on the paths of the videos, so that machines agree.
    """
    return _hash_rows(subset[["video_id", "label", "split", "group"]])


def record_subset(subset: pd.DataFrame, store: ClipStore) -> None:
    """Makes a subset (with `digest`) the current one, and records that it uses its clips in `store`."""
    name = _hash_rows(subset[["video_id", "label", "split", "group", "path"]])  # paths: other videos may share the ids
    write_manifest(subset, store.root / "subsets" / store.config.key / f"{name}.csv")
    write_manifest(subset, store.root / MANIFEST)


def read_prepared(root: str | Path, subset: str | None = None) -> tuple[pd.DataFrame, ClipStore]:
    """Read the manifest of a prepared folder.

    Args:
        root: the folder.
        subset: the name of a subset that was prepared there; None for the one prepared last.

    Returns:
        (table, store): the manifest with two more columns: `clip_name`, the name in the store, and `stored`, whether
        the clip is there; it is not if its video could not be used.

    Raises:
        FileNotFoundError: `root` was never prepared.
    """
    store = ClipStore(root)
    path = store.root / "subsets" / store.config.key / f"{subset}.csv" if subset else store.root / MANIFEST
    table = read_manifest(path)
    table["clip_name"] = [clip_name(*row) for row in zip(table.video_id, table.digest, strict=True)]
    table["stored"] = table.clip_name.isin(store.names())
    return table, store


def _hash_rows(table):
    rows = sorted(table.to_numpy().tolist())
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]
