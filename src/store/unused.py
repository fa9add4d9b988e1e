"""What a prepared folder holds that no recorded subset uses.

    python -m src.store.unused datasets/ssv2-mini             lists it
    python -m src.store.unused datasets/ssv2-mini --remove    and removes it

Every subset that was prepared is recorded in <root>/subsets/<parameters>/, and its clips are used, as are those of the
subset in use, manifest.csv. To give a subset up, prepare another one and remove its file there.
"""

import argparse
import os
from pathlib import Path

import pandas as pd

from src.store.clip_store import ClipStore, clip_name, is_abandoned
from src.store.manifest import MANIFEST, read_manifest


def find_unused(root: str | Path) -> pd.DataFrame:
    """Clips that no recorded subset uses, such as those of a video that was replaced, and what killed runs left.

    Returns:
        a row per folder or file of features: `path`, `why`, `megabytes`.

    Raises:
        FileNotFoundError: `root` was never prepared.
        ValueError: a recorded subset cannot be read; nothing counts as unused then.
    """
    root = Path(root)
    if not (root / "subsets").is_dir():
        raise FileNotFoundError(f"{root}: no prepared data here: it has no folder subsets/. Give the output folder.")
    rows = []
    store = ClipStore(root)
    for folder in sorted(path for path in (root / "clips").glob("*") if path.is_dir()):
        manifests = [*(root / "subsets" / folder.name).glob("*.csv"), *[root / MANIFEST] * (folder == store.folder)]
        subsets = [read_manifest(path) for path in manifests]
        used = {clip_name(*row) for subset in subsets for row in zip(subset.video_id, subset.digest, strict=True)}
        unused = [entry for entry in os.scandir(folder) if entry.is_dir() and entry.name not in used]
        rows += [(entry.path, "no subset uses it", _megabytes(entry.path)) for entry in unused]
        features = sorted(root.glob(f"features/{folder.name}-crop*/*.npy"))
        rows += [(str(path), "no subset uses it", _megabytes(path)) for path in features if path.stem not in used]
    rooms = [room for room in store.list_staging() if is_abandoned(room)]
    rows += [(str(room), "its run was killed", _megabytes(room)) for room in rooms]
    return pd.DataFrame(sorted(rows), columns=["path", "why", "megabytes"])


def remove_unused(unused: pd.DataFrame, root: str | Path) -> None:
    """Removes what `find_unused` found."""
    store = ClipStore(root)
    for path in unused.path:
        store.remove(Path(path))


def _megabytes(folder: str | Path):
    paths = [Path(folder), *Path(folder).rglob("*")]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def main():
    """Lists, and removes on request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", help="the output folder of preprocess_data.ipynb")
    parser.add_argument("--remove", action="store_true")
    arguments = parser.parse_args()
    unused = find_unused(arguments.root)
    for row in unused.itertuples():
        print(f"{row.path}  ({row.why}, {row.megabytes:.2f} MB)")
    if arguments.remove:
        remove_unused(unused, arguments.root)
    print(f"{'removed' if arguments.remove else 'unused'}: {len(unused)}, {unused.megabytes.sum():.1f} MB")


if __name__ == "__main__":
    main()
