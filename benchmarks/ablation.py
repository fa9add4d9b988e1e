"""The temporal ablation of Simonyan & Zisserman 2014, table 1, on a prepared data folder, beside the paper's numbers.

    python benchmarks/ablation.py datasets/ssv2-mini

One store gives all inputs. Everything but the input is the project's defaults, and --set changes that.
"""

import argparse

import fits
import pandas as pd

from src.config import TrainConfig
from src.evaluation import describe_protocol, evaluation_protocol, predict_scores
from src.inputs import read_clips
from src.metrics import compute_metrics
from src.training import train_temporal

# Parameters, and the paper's accuracy, %, on UCF101 split 1.
INPUTS = {
    "L = 1": ({"flow_length": 1}, 73.9),
    "L = 5": ({"flow_length": 5}, 80.4),
    "L = 10": ({"flow_length": 10}, 81.0),
    "L = 10, mean kept": ({"flow_length": 10, "subtract_mean": False}, 79.9),
    "L = 10, trajectory": ({"flow_length": 10, "flow_input": "trajectory"}, 80.2),
    "L = 10, bi-directional": ({"flow_length": 10, "flow_input": "bidirectional"}, 81.2),
}


def main():
    """One table: a row per input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    fits.add_arguments(parser)
    parser.add_argument("--inputs", nargs="+", choices=list(INPUTS), default=list(INPUTS))
    arguments = parser.parse_args()
    clips, store, class_names = read_clips(arguments.data)
    labels = clips[clips.split == arguments.split].class_index.to_numpy()
    rows = []
    for seed in arguments.seeds:
        for name in arguments.inputs:
            config = TrainConfig(**fits.parameters(arguments) | INPUTS[name][0] | {"seed": seed})
            run = fits.open_run("temporal", clips, store, config)
            protocol = evaluation_protocol(run, store, class_names, config)
            model, _ = train_temporal(run, clips, store, class_names, config)
            scores = predict_scores(model, clips, store, "temporal", arguments.split, class_names, config)
            rows.append({"input": name, "seed": seed} | compute_metrics(scores, labels))
        print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)
    table = fits.show_spread(pd.DataFrame(rows), "input", ["top1", "balanced"])
    table["paper, UCF101 split 1, %"] = [INPUTS[name][1] for name in table.index]
    print(f"\n{arguments.data}, {len(clips)} clips; seeds {arguments.seeds}; {' '.join(arguments.set)}")
    print(describe_protocol(protocol, arguments.split, len(labels)))
    print(table.to_string())


if __name__ == "__main__":
    main()
