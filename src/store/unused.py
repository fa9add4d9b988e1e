"""Lists the subsets of a prepared folder, and what it holds that none of them uses.

    python -m src.store.unused datasets/sample-mini                  lists both, and changes nothing
    python -m src.store.unused datasets/sample-mini --forget NAME    gives up a subset; its clips stay
    python -m src.store.unused datasets/sample-mini --remove         removes what is unused

Every subset that was prepared is recorded, and its clips are used, until it is forgotten. Only what this project wrote
is ever removed: never videos, nor other files. A name that begins with a dash is given as --forget=NAME.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from src import ownership
from src.files import expand
from src.store import contents
from src.store.clip_store import ClipStore
from src.store.manifest import name_clips, read_manifest
from src.store.records import MANIFEST, forget_subset, list_subsets
from src.store.wholeness import is_clip
from src.units import format_bytes

NAMED = 5  # foreign things that are named


def find_unused(root: str | Path) -> pd.DataFrame:
    """Finds clips and features that no recorded subset uses, and the staging directories of killed jobs.

    Only what is this project's by its content is listed, see `src.store.contents`.

    Returns:
        a row per path: `path`, `why`, `num_bytes`.

    Raises:
        FileNotFoundError: `root` was never prepared.
        ValueError: `root` is a folder of the user's; or a recorded subset cannot be read, and its clips are unknown.
    """
    root = _open(root)
    store, rows = ClipStore(root), []
    for folder in sorted(filter(contents.is_key_folder, (root / "clips").glob("*"))):
        manifests = [*(root / "subsets" / folder.name).glob("*.csv")]
        if folder == store.folder and (root / MANIFEST).exists():
            manifests.append(root / MANIFEST)
        used = {name for path in manifests for name in name_clips(read_manifest(path)).clip_name}
        clips = [path for path in folder.iterdir() if path.name not in used and is_clip(path)]
        features = [
            path
            for kept in filter(contents.is_feature_folder, root.glob(f"features/{folder.name}-crop*"))
            for path in kept.glob("*.npy")
            if contents.is_feature_file(path) and path.stem not in used
        ]
        rows += [(str(path), "no subset uses it", _count_bytes(path)) for path in [*clips, *features]]
    abandoned = [staging for staging in store.list_staging() if ownership.is_abandoned(staging)]
    rows += [(str(staging), "its job was killed", _count_bytes(staging)) for staging in abandoned]
    return pd.DataFrame(sorted(rows), columns=["path", "why", "num_bytes"])


def remove_unused(unused: pd.DataFrame, root: str | Path) -> None:
    """Removes what `find_unused` found."""
    store = ClipStore(root)
    for path in unused.path:
        store.remove(Path(path))


def _open(root):
    root = expand(root)
    if not (root / "subsets").is_dir():
        raise FileNotFoundError(f"{root}: no prepared data here: it has no folder subsets/. Give the output folder.")
    ownership.is_claimed(root, contents.PREPARED, contents.is_prepared)  # raises an error if it is the user's
    return root


def _count_bytes(path):
    paths = [Path(path), *Path(path).rglob("*")]
    return sum(path.stat().st_size for path in paths if path.is_file())


def main():
    """Lists subsets and what is unused; forgets and removes on request."""
    parser = argparse.ArgumentParser(
        prog="python -m src.store.unused", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", metavar="FOLDER", help="output folder of preprocess_data.ipynb")
    parser.add_argument(
        "--forget", metavar="NAME", action="append", default=[], help="subset to give up; may be given several times"
    )
    parser.add_argument("--remove", action="store_true", help="remove what is unused (without it, it is only listed)")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be UTF-8
    try:
        _run(_open(arguments.root), arguments.forget, arguments.remove)
    except (OSError, ValueError) as error:
        sys.exit(f"{parser.prog}: {error}")


def _run(root, forget, remove):
    for name in forget:
        forget_subset(root, name)
        print(f"forgotten: {name}")
    for row in list_subsets(root).itertuples():
        counts = f"{row.classes} classes, {row.train} + {row.validation} + {row.test} clips"
        print(f"subset {row.name}  ({counts}, {row.prepared}, {row.parameters}{', current' * row.current})")
    unused = find_unused(root)
    for row in unused.itertuples():
        print(f"{row.path}  ({row.why}, {format_bytes(row.num_bytes)})")
    if remove:
        remove_unused(unused, root)
    foreign = [str(path) for path in contents.find_foreign(root)]
    if foreign:
        print(f"not ours, left alone: {', '.join(foreign[:NAMED])}{', …' * (len(foreign) > NAMED)} ({len(foreign)})")
    print(f"{'removed' if remove else 'unused'}: {len(unused)}, {format_bytes(unused.num_bytes.sum())}")


if __name__ == "__main__":
    main()
