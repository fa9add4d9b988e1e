"""Puts the result tables into the pages that show them.

    python benchmarks/pages.py
    python benchmarks/pages.py --check

A page shows docs/results/NAME.csv between the lines `<!-- table: NAME -->` and `<!-- end -->`, with the command, the
date, the machine and the commit below it, or, for published numbers, their source. `<!-- table: NAME by COLUMN,
COLUMN -->` shows means over the rows that are equal in these columns. `<!-- table: NAME of ROW; ROW in UNIT; UNIT -->`
shows these rows of benchmarks/accelerator.py, a column for each unit; "in" and units may be left out. A table without a
CSV file is said to be not measured. README.md shows a summary of the recognition tables. All pages in docs/ and
README.md are read. --check changes nothing, prints the pages that are not up to date and the sections of docs/results/
whose numbers have no origin, and then exits with 1.

A table that is written by hand has its origin in its section, in a paragraph that begins with "Measured by hand" and
has a date and the number of cores, with "Published", or with "From the tables", if the page's other tables have it.
"""

import re
import sys
from pathlib import Path

import pandas as pd
from command import ROOT, make_parser
from tables import format_value, read_table

BLOCK = re.compile(
    r"^<!-- table: (?P<name>\S+)(?: by (?P<by>[^\n]+)| of (?P<of>[^\n]+))? -->\n.*?^<!-- end -->$",
    re.DOTALL | re.MULTILINE,
)
BY_HAND = re.compile(r"Published\b|From the tables\b|Measured by hand\b.*\d{4}-\d\d-\d\d.*\bcores\b", re.DOTALL)
SUMMARY = {  # data → its recognition table
    "the sample: 12 synthetic classes": "recognition_sample",
    "UT-Interaction: 6 classes, one fold a sequence": "recognition_ut",
    "fights in surveillance videos: 2 classes, five folds": "recognition_fights",
}
STREAMS = ["spatial", "temporal", "fused"]
WAYS = {  # of benchmarks/recognition.py, beside the majority class
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
    without = find_without_origin(ROOT / "docs" / "results")
    for section in without:
        print(f"{section}: a table without an origin: measure it, or say how, when and where it was measured by hand")
    if arguments.check and (stale or without):
        sys.exit(1)


def update_pages(root: Path, write: bool) -> list[Path]:
    """The pages whose tables differ from the CSV files; with `write` they are updated."""
    changed = []
    for path in sorted([root / "README.md", *(root / "docs").rglob("*.md")]):
        text = path.read_text(encoding="utf-8")
        new = BLOCK.sub(lambda block: render_block(folder=root / "docs" / "results", **block.groupdict()), text)
        if new != text:
            changed.append(path)
            if write:
                path.write_text(new, encoding="utf-8")
    return changed


def find_without_origin(folder: Path) -> list[str]:
    """The sections, "page: heading", with a table of numbers whose origin is not said; README.md is an index."""
    found = []
    for path in sorted(set(folder.glob("*.md")) - {folder / "README.md"}):
        for section in re.split(r"^(?=## )", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            paragraphs = [part.strip() for part in BLOCK.sub(_keep_unmeasured, section).split("\n\n")]
            has_numbers = any(re.search(r"^(\|.*\d\.\d|\*Not measured)", part, re.MULTILINE) for part in paragraphs)
            if has_numbers and not any(map(BY_HAND.match, paragraphs)):
                found.append(f"{path.name}: {section.splitlines()[0].strip('# ')}")
    return found


def _keep_unmeasured(block):
    """Nothing of a block that a benchmark wrote, with its origin; a block without a table as it is."""
    return block[0] if "*Not measured" in block[0] else ""


def render_block(name: str, by: str | None, folder: Path, of: str | None = None) -> str:
    """The markers with the table, its means by some columns, or some of its rows, and its origin between them."""
    if name == "summary":
        content = make_summary(folder)
    elif (folder / f"{name}.csv").exists():
        content = show_table(name, by, folder, of)
    else:
        content = f"*Not measured yet: no `{name}.csv`.*"
    part = f" by {by}" if by else f" of {of}" if of else ""
    return f"<!-- table: {name}{part} -->\n{content}\n<!-- end -->"


def show_table(name: str, by: str | None, folder: Path, of: str | None = None) -> str:
    """A table, its means by some columns, or some of its rows, with its origin below it."""
    origin, table = read_table(name, folder)
    if "published" in origin:
        return f"{to_markdown(table)}\n\n`{name}.csv`: published in {origin['published']}; not measured here"
    measured = f"{origin['date']}, {origin['machine']}, commit {origin['commit']}"
    caption = f"`{name}.csv`: `{origin['command']}`, {measured}"
    caption += " (carried over)" if "carried over" in origin else ""
    table = average(table, by.split(", ")) if by else select(table, of) if of else table
    return f"{to_markdown(table)}\n\n{caption}"


def average(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Means of all other columns, which hold numbers; instead of "seed", "seeds" counts the rows."""
    groups = table.drop(columns=by).apply(pd.to_numeric).groupby([table[column] for column in by], sort=False)
    means = groups.mean().map("{:.3f}".format).replace("nan", "")
    if "seed" in means:
        means.insert(0, "seeds", groups.size().astype(str))
    return means.drop(columns="seed", errors="ignore").reset_index()


def select(table: pd.DataFrame, of: str) -> pd.DataFrame:
    """Some rows of a table with one value a row: a line for each `parameters`, a column for each unit.

    Rows of several names or backends have columns of their own, which are named after them.
    """
    names, _, units = of.partition(" in ")
    table = table[table.row.isin(names.split("; "))]
    table = table[table.unit.isin(units.split("; "))] if units else table
    several = [column for column in ("row", "backend") if table[column].replace("", pd.NA).nunique() > 1]
    labels = table[[*several, "unit"]].agg(lambda parts: ", ".join(filter(None, parts)), axis=1)
    values = table.assign(label=labels, value=table.value.astype(float).map(format_value))
    wide = values.pivot(index="parameters", columns="label", values="value").fillna("")
    return wide.loc[table.parameters.unique(), labels.unique()].rename_axis(columns=None).reset_index()


def make_summary(folder: Path) -> str:
    """Test accuracies, means over seeds, of the recognition tables that there are, with the names of their files."""
    names = {data: name for data, name in SUMMARY.items() if (folder / f"{name}.csv").exists()}
    rows = []
    for data, name in names.items():
        origin, table = read_table(name, folder)
        means = table[STREAMS].astype(float).groupby(table.way, sort=False).mean().map("{:.3f}".format)
        majority = means.fused.get("majority class", "")
        for way, accuracies in means.drop(index="majority class", errors="ignore").iterrows():
            seeds = table[table.way == way]
            row = {"test accuracy": data, "way": WAYS[way], "parameters set": describe_parameters(origin)}
            row |= {"clips": seeds.n.iloc[0], "seeds": str(len(seeds)), "majority class": majority}
            rows.append(row | accuracies.to_dict())
    files = ", ".join(f"`docs/results/{name}.csv`" for name in names.values())
    return f"{to_markdown(pd.DataFrame(rows))}\n\nFrom {files}."


def describe_parameters(origin: dict[str, str]) -> str:
    """The parameters that the command of a table sets; only their number if they are many."""
    given = re.findall(r"--set (\S+)", origin["command"]) or ["none"]
    return ", ".join(given) if len(given) <= 2 else f"{len(given)}, chosen for this data"


def to_markdown(table: pd.DataFrame) -> str:
    """A Markdown table; columns of numbers are aligned to the right."""
    cells = [[str(value).replace("|", r"\|") for value in row] for row in [table.columns, *table.to_numpy()]]
    numbers = [table[column].str.fullmatch(r"[-+\d.e%… ()]*").all() for column in table]
    rule = ["---:" if number else "---" for number in numbers]
    return "\n".join(f"| {' | '.join(row)} |" for row in [cells[0], rule, *cells[1:]])


if __name__ == "__main__":
    main()
