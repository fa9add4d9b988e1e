"""Error of every flow algorithm by the speed of motion, against the true flow of the synthetic sample.

    python benchmarks/flow_error.py [--short-sides 64 96 128 192 256]

No videos are needed: the sample's clips are drawn, and the displacement of each of their pixels is known. "follows" is
the displacement up to which the median error of an algorithm is below a pixel; --table NAME writes that table to
NAME_limit.csv.
"""

import command
from tables import write_table

from src.config import FLOW_ALGORITHMS
from src.fingerprint import find_limit, measure_flow_error

COLUMNS = ["algorithm", "displacement, px/frame", "median, px", "mean, px"]


def main():
    """Prints and writes one table: a row for each algorithm and range of displacements."""
    parser = command.make_parser(__doc__)
    parser.add_argument("--short-side", type=int, default=ClipConfig.short_side)
    arguments = parser.parse_args()
    table = measure_flow_error(ClipConfig(short_side=arguments.short_side)).drop(columns="values")
    table = table.sort_values("algorithm", ascending=False, kind="stable").set_axis(COLUMNS, axis=1)
    print(table.to_string(index=False, float_format="{:.3g}".format))
    write_table(arguments.table, table, keys=COLUMNS[:2])


if __name__ == "__main__":
    main()
