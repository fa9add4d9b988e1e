"""Which data set was prepared last."""

from pathlib import Path

from src.store import ClipStore


def latest_output(folder: str | Path = "datasets") -> str:
    """The folder in `folder` that was prepared last.

    Raises:
        FileNotFoundError: none of them was prepared.
    """
    manifests = [path for path in Path(folder).glob("*/manifest.csv") if path.is_file() and _is_prepared(path.parent)]
    if not manifests:
        raise FileNotFoundError(
            f"{folder}: no prepared data set is there. Run preprocess_data.ipynb, or set data to the folder of one."
        )
    return str(max(manifests, key=lambda path: (path.stat().st_mtime_ns, path)).parent)


def _is_prepared(root):
    try:
        return ClipStore(root).folder.is_dir()
    except (OSError, ValueError):
        return False
