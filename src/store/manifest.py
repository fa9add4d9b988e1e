"""What a prepared folder holds: its subset, with the digest of each video's bytes, and all subsets it was prepared for.

```
<root>/manifest.csv                               the subset in use
<root>/subsets/<config key>/<name>.csv            every subset that was prepared, so that its clips are kept
```
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
        FileNotFoundError: it is not there.
        ValueError: a column is missing, a split or class_index is wrong, or two splits share a group.
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
            f"are not so, first {wrong.iloc[0].to_dict()}. Write it again with preprocess_data.ipynb."
        )
    check_disjoint(subset)
    return subset.astype({"class_index": int})[[*COLUMNS, "digest"]]


def manifest_digest(subset: pd.DataFrame) -> str:
    """12 hex characters that name a subset: SHA-256 over each row's video_id, label, split and group.

    Neither the order of the rows nor where the videos lie (path) matters: two machines agree.
    """
    rows = sorted(subset[["video_id", "label", "split", "group"]].to_numpy().tolist())
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]


def record_subset(subset: pd.DataFrame, store: ClipStore) -> None:
    """Makes a subset (with `digest`) the one in use, and records that its clips in `store` are used."""
    rows = sorted(subset[["video_id", "label", "split", "group", "path"]].to_numpy().tolist())
    name = hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]  # with paths: other videos may have the same ids
    write_manifest(subset, store.root / "subsets" / store.config.key / f"{name}.csv")
    write_manifest(subset, store.root / MANIFEST)


def read_prepared(root: str | Path) -> tuple[pd.DataFrame, ClipStore]:
    """A prepared data set.

    Returns:
        (table, store): the manifest, with `clip_name`, the name in the store, and `stored`, whether it is there: clips
        of videos that could not be used are not.

    Raises:
        FileNotFoundError: `root` was never prepared.
    """
    store, table = ClipStore(root), read_manifest(Path(root) / MANIFEST)
    table["clip_name"] = [clip_name(*row) for row in zip(table.video_id, table.digest, strict=True)]
    table["stored"] = table.clip_name.isin(store.names())
    return table, store
