"""What a finished run on the sample looks at, which wrong labels it finds, and which strangers it refuses.

    python benchmarks/looking.py runs/demo --others datasets/ut-interaction --table looking

Three tables, which --table NAME writes to NAME_evidence.csv, NAME_labels.csv and NAME_strangers.csv:

- evidence: the share of the evidence for the true class (`src/attention`) that lies on what moves in front of the
  background, beside the share of the area that it covers; the sample knows it for each pixel. "on it" is the
  mean over test clips, "times the area" the ratio of both means.
- labels: of the validation and test clips, some labels are exchanged for another class, drawn at random. How many of
  them `find_label_errors` ranks first, or calls suspect; means over draws.
- strangers: clips of no class of the run, whose highest score should be below its threshold for none of the classes,
  beside test clips, whose should not. Those of --others are read from the videos of another prepared data folder;
  noise and smooth textures, still or drifting by a few pixels a frame, are drawn here.
"""

import json
from pathlib import Path

import command
import cv2
import numpy as np
import pandas as pd
from tables import write_table

from src.attention import attend_clips
from src.config import STREAMS
from src.cross_validation import pool_splits
from src.flow import compute_flow, stack_fields
from src.inference import load_run, predict_video, score_clip
from src.inputs import read_clips, scored_segments
from src.metrics import find_label_errors
from src.sample import ACTIONS, clip_spec, moving_mask
from src.training import Run
from src.video import Excerpt, crops, segment_centers

FLIPPED, DRAWS = (5, 10, 20, 40), 100
DRAWN = ("noise", "still texture", "drifting texture")
MOST_DRAWN = 20  # clips of each kind
DRIFT = 3  # px/frame, at most


def main():
    """Prints and writes the three tables."""
    parser = command.make_parser(__doc__)
    parser.add_argument("run", help="the folder of a finished run on the sample, whose test clips are scored")
    parser.add_argument("--others", nargs="*", default=[], metavar="DATA", help="prepared folders with other classes")
    arguments = parser.parse_args()
    run, loaded = Run.read(arguments.run), load_run(arguments.run)
    clips, store, class_names = read_clips(run.record["data"])
    rows = {split: clips[clips.split == split] for split in ("validation", "test")}
    scores = {split: run.read_scores(split, part) for split, part in rows.items()}
    found = {
        "evidence": measure_evidence(loaded, rows["test"], store, scores["test"]),
        "labels": find_flipped(pool_splits(clips, scores), class_names),
        "strangers": refuse(run, loaded, rows["test"], scores["test"]["fused"], arguments.others),
    }
    keys = {"evidence": ["stream", "in front"], "labels": ["labels exchanged"], "strangers": ["clips"]}
    for name, table in found.items():
        print(f"\n{name}\n{table.round(3).to_string(index=False)}")
        write_table(arguments.table and f"{arguments.table}_{name}", table, keys[name])


def measure_evidence(loaded, clips, store, scores) -> pd.DataFrame:
    """A row for each stream, and for clips in which the hand moves or rests: share of the evidence, and of the area."""
    two_stream, _, _, config = loaded
    streams = [two_stream.get_layer(stream) for stream in STREAMS]
    attention = attend_clips(streams, clips, store, config, scores)
    moves = np.array([bool(action.takes_cover) or any(action.motion) for action in map(ACTIONS.get, clips.label)])
    masks = {stream: [] for stream in STREAMS}
    for row in clips.itertuples():
        shown = read_mask(row)
        centers = segment_centers(len(shown), store.config.num_segments)[scored_segments(store, config)]
        reach = {"spatial": 0, "temporal": store.config.flow_length // 2}
        for stream, frames in reach.items():
            parts = [shown[center - frames : center + frames + 1].any(axis=0) for center in centers]
            masks[stream].append([crop_mask(part, store.config.short_side, stream, config) for part in parts])
    table = []
    for stream in STREAMS:
        mask, maps = np.array(masks[stream]), attention[stream].maps[:, 0]
        on_it = (maps * mask).sum(axis=(1, 2, 3)) / np.maximum(maps.sum(axis=(1, 2, 3)), 1e-9)
        for name, chosen in {"a hand that moves": moves, "a hand that rests": ~moves}.items():
            share, area = on_it[chosen].mean(), mask[chosen].mean()
            row = {"stream": stream, "in front": name, "clips": int(chosen.sum()), "on it": share, "area": area}
            table.append(row | {"times the area": share / area})
    return pd.DataFrame(table)


def read_mask(row) -> np.ndarray:
    """bool (T, H, W): what the clip of a row shows in front of the background, by the plan of the sample."""
    path = Path(row.path)
    plan = json.loads((path.parents[1] / "sample.json").read_text(encoding="utf-8"))
    video = plan["videos"][path.stem]
    return moving_mask(clip_spec(video["template"], video["seed"]))


def crop_mask(mask, short_side, stream, config) -> np.ndarray:
    """bool (H, W) of a video → (s, s), of the centre crop that the stream takes of the stored frame."""
    width = round(mask.shape[1] * short_side / mask.shape[0])
    stored, side = cv2.resize(np.uint8(255 * mask), (width, short_side)), config.crop_size_of(stream)
    (crop,) = crops.scored_crops(short_side, width, 1, config.keep_aspect)
    return crops.crop_frame(stored[..., None], crop, side).reshape(side, side) > 127


def find_flipped(held_out, class_names) -> pd.DataFrame:
    """A row for each number of exchanged labels: how many are ranked first, and how many are suspect."""
    labels, scores = held_out.clips.class_index.to_numpy(), held_out.scores["fused"]
    table = []
    for count in FLIPPED:
        rng, found = np.random.default_rng(0), []
        for _ in range(DRAWS):
            given = labels.copy()
            chosen = rng.choice(len(labels), count, replace=False)
            given[chosen] = (given[chosen] + rng.integers(1, len(class_names), count)) % len(class_names)
            ranked = find_label_errors(scores, given, class_names)
            wrong = ranked.row.isin(chosen)
            found.append([wrong[:count].sum(), wrong[: 2 * count].sum(), (wrong & ranked.suspect).sum()])
            found[-1].append(ranked.suspect.sum())
        names = ("among as many first", "among twice as many", "suspect", "suspect in all")
        row = {"labels exchanged": count, "clips": len(labels)}
        table.append(row | dict(zip(names, np.mean(found, axis=0), strict=True)))
    return pd.DataFrame(table)


def refuse(run, loaded, clips, fused, others) -> pd.DataFrame:
    """A row for each kind of clips: the share whose highest score is below the run's threshold."""
    threshold = run.record["notes"]["none_threshold"]
    highest, right = fused.max(axis=1), fused.argmax(axis=1) == clips.class_index
    kinds = {"test clips, answered rightly": highest[right], "test clips, answered wrongly": highest[~right]}
    for folder in others:
        read = [predict_video(Excerpt.of(row), *loaded)[0] for row in read_clips(folder)[0].itertuples()]
        kinds[Path(folder).name] = np.array([scores["fused"].max() for scores in read])
    rng = np.random.default_rng(0)
    for kind in DRAWN:
        drawn = (draw_clip(rng, kind, loaded[2]) for _ in range(MOST_DRAWN))
        kinds[kind] = np.array([score_clip(*clip, *loaded)["fused"].max() for clip in drawn])
    rows = [
        {"clips": kind, "n": len(scores), "refused": (scores < threshold).mean(), "highest score, mean": scores.mean()}
        for kind, scores in kinds.items()
    ]
    return pd.DataFrame(rows).assign(threshold=threshold)


def draw_clip(rng, kind, config) -> tuple[np.ndarray, np.ndarray]:
    """(frames, stacks) of a clip without any action, as `score_clip` takes them."""
    height, width = config.short_side, round(config.short_side * 4 / 3)
    if kind == "noise":
        shape = config.num_segments, config.window_length, height, width
        windows = rng.integers(0, 256, shape, dtype=np.uint8)
    else:
        speed = rng.uniform(-DRIFT, DRIFT, 2) if kind == "drifting texture" else np.zeros(2)
        windows = draw_texture(rng, speed, config.num_segments, config.window_length, (height, width))
    stacks = [stack_fields(compute_flow(grey, config.flow_algorithm), config.flow_length, config.flow_bound)
              for grey in windows]  # fmt: skip
    frames = np.repeat(windows[:, config.window_length // 2, ..., None], 3, axis=-1)
    return frames, np.stack(stacks)


def draw_texture(rng, speed, num_segments, length, size) -> np.ndarray:
    """uint8 (S, T, H, W): windows of blurred noise that moves by `speed`, (x, y), px/frame."""
    height, width = size
    large = cv2.GaussianBlur(rng.standard_normal((2 * height, 2 * width)), (0, 0), 4)
    large = np.uint8(np.clip(128 + 50 * large / large.std(), 0, 255))
    moves = [
        np.float32([[1, 0, x], [0, 1, y]]) for x, y in np.outer(np.arange(length), speed) - [width / 2, height / 2]
    ]
    window = np.stack([cv2.warpAffine(large, move, (width, height)) for move in moves])
    return np.stack([window] * num_segments)


if __name__ == "__main__":
    main()
