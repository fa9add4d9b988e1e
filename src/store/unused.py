"""Finds what a prepared folder holds that no recorded subset uses.

    python -m src.store.unused datasets/ssv2-mini             lists it
    python -m src.store.unused datasets/ssv2-mini --remove    and removes it

Every subset that was prepared is recorded in <root>/subsets/<parameters>/. Its clips are used, and so are those of the
current subset, manifest.csv. To give a subset up, prepare another one and remove its file there.
"""

import argparse
import os
from pathlib import Path

import pandas as pd

from src.store.clip_store import ClipStore, clip_name, is_abandoned
from src.store.manifest import MANIFEST, read_manifest


def find_unused(root: str | Path) -> pd.DataFrame:
    """Finds clips and features that no recorded subset uses, and the staging directories of killed jobs.

    Returns:
        a row per path: `path`, `why`, `megabytes`.

    Raises:
        FileNotFoundError: `root` was never prepared.
        ValueError: a recorded subset cannot be read, so that its clips are unknown.
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
    abandoned = [staging for staging in store.list_staging() if is_abandoned(staging)]
    rows += [(str(staging), "its job was killed", _megabytes(staging)) for staging in abandoned]
    return pd.DataFrame(sorted(rows), columns=["path", "why", "megabytes"])


def remove_unused(unused: pd.DataFrame, root: str | Path) -> None:
    """Removes what `find_unused` found."""
    store = ClipStore(root)
    for path in unused.path:
        store.remove(Path(path))


def _megabytes(path):
    paths = [Path(path), *Path(path).rglob("*")]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def main():
    """Lists what is unused, and removes it on request."""
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
