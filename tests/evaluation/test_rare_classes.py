"""From clips to scores where a split or a class is rare: no validation, no test, one clip or one group of a class."""

import numpy as np
import pytest
from conftest import TINY_CONFIG

from models import backbones, temporal_cnn
from src.config import TrainConfig
from src.evaluation import baseline_scores, predict_scores, probe_streams, score_split
from src.fusion import chosen_kind, describe_fusion, fit_fusion, fusion_table
from src.inputs import read_clips, read_draws
from src.metrics import evaluate_split, majority_class_accuracy
from src.training import describe_fit, start_run, train_spatial, train_temporal

CONFIG = TrainConfig(
    crop_size=32, temporal_crop_size=32, batch_size=5, spatial_weights="compact", spatial_steps=1, temporal_steps=1
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "COMPACT_FILTERS", (4, 8))
        convolutions = (("conv1", 8, 7, 2, True), ("conv2", 16, 5, 2, True))
        patch.setattr(temporal_cnn, "_CONVOLUTIONS", dict.fromkeys(("small", "cnn_m"), convolutions))
        yield


def drop(clips, *wheres):
    """The clips without those of each (split, class indices)."""
    for split, classes in wheres:
        clips = clips[~((clips.split == split) & clips.class_index.isin(classes))]
    return clips.reset_index(drop=True)


def one_each(clips):
    """One clip of each class in each split."""
    return clips.groupby(["split", "class_index"], sort=False).head(1).reset_index(drop=True)


CASES = {
    "no validation": lambda clips: drop(clips, ("validation", [0, 1, 2])),
    "no test": lambda clips: drop(clips, ("test", [0, 1, 2])),
    "one clip of each class in each split": one_each,
    "classes missing in validation and test": lambda clips: drop(clips, ("validation", [0]), ("test", [1])),
    "one class in validation and test": lambda clips: drop(clips, ("validation", [0, 1]), ("test", [1, 2])),
    "one training group of a class": lambda clips: clips.assign(
        group=clips.group.where((clips.split != "train") | (clips.class_index != 1), "one")
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_steps_of_the_second_notebook(tiny_store, tmp_path, case):
    clips, store, names = read_clips(tiny_store[0])
    clips = CASES[case](clips)
    data = clips, store, names, CONFIG
    splits = [split for split in ("validation", "test") if (clips.split == split).any()]
    run = start_run("run", "tiny", "digest", TINY_CONFIG, CONFIG, names, root=tmp_path)
    assert len(read_draws(*data)) == 2

    streams = {}
    for stream, train in (("spatial", train_spatial), ("temporal", train_temporal)):
        streams[stream], history = train(run, *data)
        assert history.val_accuracy.isna().all() == ("validation" not in splits)
        assert (" on validation." in describe_fit(run, stream, history)) == ("validation" in splits)
    if "validation" in splits:
        probes = probe_streams(*streams.values(), *data)
        assert probes["clips"].sum() == (clips.split == "validation").sum()
    else:
        with pytest.raises(ValueError, match="validation has no clips, so it cannot be scored"):
            predict_scores(streams["spatial"], clips, store, "spatial", "validation", names, CONFIG)

    scores = {split: score_split(run, *streams.values(), *data, split) for split in splits}
    baselines = baseline_scores(clips, store, names, splits, seed=0)
    truth = {split: clips[clips.split == split].class_index.to_numpy() for split in ("train", *splits)}
    for split in splits:
        majority = majority_class_accuracy(truth[split], truth["train"])
        entry = evaluate_split(scores[split], truth[split], majority, baselines[split])
        assert np.isfinite([entry[stream]["balanced"] for stream in ("spatial", "temporal", "fused")]).all()

    final, groups = splits[-1], {split: clips[clips.split == split].group.to_numpy() for split in splits}
    tuned = "validation" if len(splits) == 2 else None
    fusions = fusion_table(
        scores.get(tuned), truth.get(tuned), scores[final], truth[final], groups.get(tuned), groups[final]
    )
    kind = chosen_kind(fusions)
    assert kind == "average" and describe_fusion(fusions).startswith("The average is used")
    fitted = fit_fusion(kind, scores[splits[0]], truth[splits[0]], groups[splits[0]])
    np.testing.assert_allclose(fitted.apply(scores[final]), scores[final]["fused"], atol=1e-6)
