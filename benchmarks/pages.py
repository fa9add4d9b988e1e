"""Puts the result tables into the pages that show them.

    python benchmarks/pages.py
    python benchmarks/pages.py --check

A page shows docs/results/NAME.csv between the lines `<!-- table: NAME -->` and `<!-- end -->`, with the command, the
date, the machine and the commit below it. `<!-- table: NAME by COLUMN, COLUMN -->` shows means over the rows that are
equal in these columns. README.md shows a summary of the recognition tables. All pages in docs/ and README.md are read.
--check changes nothing, prints the pages that are not up to date, and then exits with 1.
"""

import re
import sys
from pathlib import Path

import pandas as pd
from command import ROOT, make_parser
from tables import read_table

BLOCK = re.compile(
    r"^<!-- table: (?P<name>\S+)(?: by (?P<by>[^\n]+))? -->\n.*?^<!-- end -->$", re.DOTALL | re.MULTILINE
)
SUMMARY = {  # data → its recognition table
    "sample: 8 synthetic classes": "recognition_sample",
    "fights in surveillance videos: 2 classes, five folds": "recognition_fights",
}
WAYS = {  # of benchmarks/recognition.py
    "majority class": "majority class",
    "statistics": "no network: statistics + extra trees",
    "plain": "plain two-stream network",
    "full": "this project",
    "backbone": "this project, pretrained spatial stream",
}


def main():
    parser = make_parser(__doc__, writes_table=False)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    stale = update_pages(ROOT, write=not arguments.check)
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'out of date' if arguments.check else 'updated'}")
    if arguments.check and stale:
        sys.exit(1)


def update_pages(root: Path, write: bool) -> list[Path]:
    """The pages whose tables differ from the CSV files; with `write` they are updated."""
    changed = []
    for path in sorted([root / "README.md", *(root / "docs").rglob("*.md")]):
        text = path.read_text(encoding="utf-8")
        new = BLOCK.sub(lambda block: render_block(block["name"], block["by"], root / "docs" / "results"), text)
        if new != text:
            changed.append(path)
            if write:
                path.write_text(new, encoding="utf-8")
    return changed


def render_block(name: str, by: str | None, folder: Path) -> str:
    """The markers with the table, or its means by some columns, and its origin between them."""
    if name == "summary":
        table, caption = make_summary(folder)
    else:
        origin, table = read_table(name, folder)
        measured = f"{origin['date']}, {origin['machine']}, commit {origin['commit']}"
        caption = f"`{name}.csv`: `{origin['command']}`, {measured}"
        caption += " (carried over)" if "carried over" in origin else ""
    if by:
        table, name = average(table, by.split(", ")), f"{name} by {by}"
    return f"<!-- table: {name} -->\n{to_markdown(table)}\n\n{caption}\n<!-- end -->"


def average(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Means of all other columns, which hold numbers."""
    means = table.drop(columns=by).astype(float).groupby([table[column] for column in by], sort=False).mean()
    return means.map("{:.3f}".format).reset_index()


def make_summary(folder: Path) -> tuple[pd.DataFrame, str]:
    """(test accuracies, their origin): the means over seeds of the recognition tables."""
    rows = []
    for data, name in SUMMARY.items():
        origin, table = read_table(name, folder)
        for way, seeds in table.groupby("way", sort=False):
            means = {stream: f"{seeds[stream].astype(float).mean():.3f}" for stream in ("spatial", "temporal", "fused")}
            row = {"test accuracy": data, "way": WAYS[way], "parameters set": describe_parameters(origin)}
            rows.append(row | {"clips": seeds.n.iloc[0], "seeds": str(len(seeds))} | means)
    files = " and ".join(f"`docs/results/{name}.csv`" for name in SUMMARY.values())
    return pd.DataFrame(rows), f"From {files}."


def describe_parameters(origin: dict[str, str]) -> str:
    """The parameters that the command of a table sets; only their number if they are many."""
    given = re.findall(r"--set (\S+)", origin["command"])
    return ", ".join(given) if len(given) <= 2 else f"{len(given)}, chosen for this data"


def to_markdown(table: pd.DataFrame) -> str:
    """A Markdown table; columns of numbers are aligned to the right."""
    cells = [[str(value).replace("|", r"\|") for value in row] for row in [table.columns, *table.to_numpy()]]
    numbers = [table[column].str.fullmatch(r"[-+\d.e%… ()]*").all() for column in table]
    rule = ["---:" if number else "---" for number in numbers]
    return "\n".join(f"| {' | '.join(row)} |" for row in [cells[0], rule, *cells[1:]])


if __name__ == "__main__":
    main()
