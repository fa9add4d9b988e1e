"""Error of every flow algorithm by the speed of motion, against the true flow of the synthetic sample.

    python benchmarks/flow_error.py [--short-side 128] [--others 64 96 160 192 256]

No videos are needed: the sample's clips are drawn, and the displacement of each of their pixels is known. With
--others, a second table, which --table NAME writes to NAME_limit.csv, has the displacement up to which the median error
is below a pixel, at each size.
"""

import command
import pandas as pd
from tables import write_table

from src.config import FLOW_ALGORITHMS, ClipConfig
from src.fingerprint import find_limit, measure_flow_error

COLUMNS = ["algorithm", "displacement, px/frame", "median, px", "mean, px"]


def main():
    """Prints and writes the errors at one size, and the limits at all."""
    parser = command.make_parser(__doc__)
    parser.add_argument("--short-side", type=int, default=ClipConfig.short_side)
    parser.add_argument(
        "--others", type=int, nargs="+", default=[], help="other sizes, of which the limits are measured"
    )
    parser.add_argument("--clips", type=int, default=12)
    arguments = parser.parse_args()
    errors = {
        side: measure_flow_error(side, arguments.clips) for side in sorted({arguments.short_side, *arguments.others})
    }
    table = errors[arguments.short_side]
    table = table[table["values"] > 0]
    names = [f"{low:.2g}-{high:.2g}" for low, high in zip(table.low, table.high, strict=True)]
    table = pd.DataFrame(dict(zip(COLUMNS, [table.algorithm, names, table["median"], table["mean"]], strict=True)))
    print(table.to_string(index=False, float_format="{:.3g}".format))
    write_table(arguments.table, table, keys=COLUMNS[:2])
    limits = [{"short side": side} | describe_limits(found) for side, found in errors.items()]
    print(pd.DataFrame(limits).to_string(index=False, float_format="{:.3g}".format))
    if arguments.others:
        write_table(arguments.table and f"{arguments.table}_limit", pd.DataFrame(limits), keys=["short side"])


def describe_limits(errors):
    """What each algorithm follows, px/frame."""
    return {f"{algorithm}, px/frame": find_limit(errors, algorithm) for algorithm in FLOW_ALGORITHMS}


if __name__ == "__main__":
    main()
