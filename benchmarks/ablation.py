"""The temporal ablation of Simonyan & Zisserman 2014, table 1, on a prepared data folder.

    python benchmarks/ablation.py datasets/ssv2-mini

All inputs are made from one store. Parameters other than the input have their defaults; --set changes them. The paper's
numbers stand beside the measured ones.
"""

import fits
import pandas as pd
from tables import write_table

from src.config import TrainConfig
from src.evaluation import describe_protocol, evaluation_protocol, predict_scores
from src.inputs import read_clips
from src.metrics import compute_metrics
from src.training import train_temporal

# Parameters, and the paper's accuracy on UCF101 split 1, %.
INPUTS = {
    "L = 1": ({"flow_length": 1}, 73.9),
    "L = 5": ({"flow_length": 5}, 80.4),
    "L = 10": ({"flow_length": 10}, 81.0),
    "L = 10, mean kept": ({"flow_length": 10, "subtract_mean": False}, 79.9),
    "L = 10, trajectory": ({"flow_length": 10, "flow_input": "trajectory"}, 80.2),
    "L = 10, bi-directional": ({"flow_length": 10, "flow_input": "bidirectional"}, 81.2),
}
PAPER = {"subtract_mean": True}  # in all rows but one
METRICS = ["top1", "balanced"]


def main():
    """Prints and writes one table: a row for each input and seed."""
    parser = fits.make_parser(__doc__)
    parser.add_argument("--inputs", nargs="+", choices=list(INPUTS), default=list(INPUTS))
    arguments = parser.parse_args()
    clips, store, class_names = read_clips(arguments.data)
    labels = clips[clips.split == arguments.split].class_index.to_numpy()
    rows = []
    for seed in arguments.seeds:
        for name in arguments.inputs:
            changed, paper = INPUTS[name]
            config = TrainConfig(**PAPER | fits.parameters(arguments) | changed | {"seed": seed})
            run = fits.open_run("temporal", clips, store, config)
            protocol = evaluation_protocol(run, store, class_names, config)
            model, _ = train_temporal(run, clips, store, class_names, config)
            scores = predict_scores(model, clips, store, "temporal", arguments.split, class_names, config)
            metrics = compute_metrics(scores, labels)
            found = {metric: metrics[metric] for metric in METRICS}
            rows.append({"input": name, "seed": seed, "n": len(labels)} | found | {"paper, UCF101 split 1, %": paper})
        print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    print(f"\n{describe_protocol(protocol, arguments.split, len(labels))}; seeds {arguments.seeds}")
    print(fits.describe_spread(table, "input", METRICS))
    write_table(arguments.table, table, keys=["input", "seed"])


if __name__ == "__main__":
    main()
