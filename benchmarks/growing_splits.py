"""How the splits of a class divide, and how many of its groups move when groups are added.

    python benchmarks/growing_splits.py --table growing_splits

No data are needed: a class of n groups is divided, and again with three groups more, under a hundred seeds.
"""

import command
import numpy as np
import pandas as pd
from tables import write_table

from src.subsets import SHARES, divide_groups

GROUPS, ADDED, SEEDS = (5, 10, 20, 50, 200), 3, 100


def main():
    """Prints and writes one table: a row for each number of groups."""
    arguments = command.make_parser(__doc__).parse_args()
    table = pd.DataFrame([{"groups": count} | measure(count) for count in GROUPS])
    print(table.round(3).to_string(index=False))
    write_table(arguments.table, table, keys=["groups"])


def measure(count: int) -> dict[str, float]:
    """Shares of the splits, and the groups that change their split when others are added; over the seeds."""
    names = [f"video {number}" for number in range(count + ADDED)]
    table = pd.DataFrame({"label": "a class", "group": names})
    before = np.array([divide_groups(table[:count], SHARES, seed) for seed in range(SEEDS)])
    after = np.array([divide_groups(table, SHARES, seed)[:count] for seed in range(SEEDS)])
    training, moved = (before == "train").mean(axis=1), (before != after).sum(axis=1)
    return {
        "training": training.mean(),
        "validation": (before == "validation").mean(),
        "standard deviation of training": training.std(),
        "groups that moved, mean": moved.mean(),
        "most": int(moved.max()),
    }


if __name__ == "__main__":
    main()
