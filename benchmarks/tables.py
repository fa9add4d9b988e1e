"""Result tables: one CSV file a table in docs/results/, with its origin in comment lines above the rows."""

from pathlib import Path

import pandas as pd
from command import ROOT, describe_origin

RESULTS = ROOT / "docs" / "results"


def write_table(name: str | None, table: pd.DataFrame, keys: list[str], folder: Path = RESULTS) -> bool:
    """Writes a table to docs/results/<name>.csv, floats with three significant digits; None writes nothing.

    The name is always given by the user (--table), so that a run on other data or with other parameters replaces no
    published table. A file holds the result of one command, so that its comment lines (command, date, machine, commit)
    hold for every row. The file is replaced if the new table has all of its rows, compared by the columns `keys`.
    Otherwise, as after a partial run, the file is left as it is, and a message says so.

    Returns:
        Whether the file was written.
    """
    if name is None:
        print("No table was written; --table NAME writes docs/results/NAME.csv.")
        return False
    path = folder / f"{name}.csv"
    table = table.map(format_value)
    if path.exists():
        lost = _rows(read_table(name, folder)[1], keys) - _rows(table, keys)
        if lost:
            print(f"{path.name}: unchanged, because this run lacks its rows {sorted(lost)}. Remove it to replace it.")
            return False
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(make_comments() + table.to_csv(index=False), encoding="utf-8")
    print(f"{path.name}: written. Next: python benchmarks/pages.py")
    return True


def read_table(name: str, folder: Path = RESULTS) -> tuple[dict[str, str], pd.DataFrame]:
    """(comment lines, rows) of a table. All values are text, as they are in the file."""
    path = folder / f"{name}.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    origin = dict(line.removeprefix("# ").split(": ", 1) for line in comments)
    return origin, pd.read_csv(path, skiprows=len(comments), dtype=str, keep_default_na=False)


def make_comments() -> str:
    """The comment lines with the origin of a result that is measured now."""
    return "".join(f"# {key}: {value}\n" for key, value in describe_origin().items())


def _rows(table, keys):
    return set(table.reindex(columns=keys).astype(str).itertuples(index=False, name=None))


def format_value(value):
    """A float as text with three significant digits, or without decimals; other values as they are."""
    if not isinstance(value, float):  # np.float64 is one, np.float32 is not
        return value
    if pd.isna(value) or value == 0:
        return "" if pd.isna(value) else "0"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:#.3g}".removesuffix(".")
