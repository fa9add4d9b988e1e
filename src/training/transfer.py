"""Transfer: a stream starts from the body of another run's stream, and gets a head of its own."""

from pathlib import Path

import keras

from models import consensus
from src.config import ClipConfig, TrainConfig, clip_config_from_dict, train_config_from_dict
from src.store import read_digest
from src.training.runs import Run

PREPARED = ("num_segments", "flow_source")  # values that come from the prepared clips, not from `TrainConfig`


def is_run(weights: str | None) -> bool:
    """Whether `spatial_weights` or `temporal_weights` is the folder of a run."""
    return weights is not None and (Path(weights) / "config.json").is_file()


def describe_source(folder: str, stream: str, clip_config: ClipConfig, config: TrainConfig) -> dict:
    """Checks that the stream of another run is finished and fits, and returns what is recorded of it.

    Args:
        folder: of the run, such as "runs/x", relative to the working folder.
        stream: "spatial" or "temporal".
        clip_config, config: of the run that starts from it.

    Returns:
        {"run": absolute path, "digest": of the stream's file, "backbone": that the stream is built on, None for a
        temporal network from scratch, "pretrained": whether that backbone was pretrained, "learning_rate": peak of what
        is trained, the stream's own or, on a pretrained backbone, `fine_tune_learning_rate`}.

    Raises:
        FileNotFoundError: no run, or its stream is not finished.
        ValueError: its network differs from the one of this run (all differences are listed), or it was trained by an
            older version.
    """
    run = Run.read(folder)
    _load_stream(run.folder, stream)
    known = run.record.get("notes", {}).get(f"{stream}_network", {})
    source = {
        "run": str(run.folder.absolute()),
        "digest": read_digest(run.folder / f"{stream}.keras"),
        "backbone": known.get("backbone"),
        "pretrained": known.get("pretrained", False),
    }
    theirs = clip_config_from_dict(run.record["clips"]), train_config_from_dict(run.record["training"])
    expected, found = (_describe_network(stream, source, *configs) for configs in (theirs, (clip_config, config)))
    if not expected["temporal_shift"]:
        del expected["num_segments"]  # a body without shift takes one segment at a time
    changed = {name: value for name, value in expected.items() if value != found[name]}
    if changed:
        pairs = (f"{name}={value!r} (this run: {found[name]!r})" for name, value in changed.items())
        raise ValueError(
            f"{run.folder}: {stream}_weights must be a run with the same network. Its {stream} stream was trained with "
            f"{', '.join(pairs)}. {_say_remedy(changed, clip_config)}"
        )
    own_rate = config.spatial_learning_rate if stream == "spatial" else config.temporal_learning_rate
    return source | {"learning_rate": config.fine_tune_learning_rate if source["pretrained"] else own_rate}


def check_unchanged(known: dict | None, source: dict, stream: str) -> None:
    """Raises ValueError if the run that this one starts from has changed since `known` was recorded."""
    if known is not None and known.get("digest") != source["digest"]:
        raise ValueError(
            f"{source['run']}: its {stream} stream must be the one that this run started from, with the digest "
            f"{known.get('digest')}. Found: {source['digest']}. Choose another run_name, to start from it anew."
        )


def build_from_run(
    source: dict, stream: str, num_classes: int, num_segments: int | None, config: TrainConfig
) -> keras.Model:
    """Builds a stream on the body of another run's stream, with its weights and its scale of flow, and a new head.

    Args:
        source: from `describe_source`.
        stream: "spatial" or "temporal".
        num_classes: C.
        num_segments: S, or None, as in `models.consensus.build_clip_network`.
        config: `consensus` and `dropout` of the head. (The dense temporal head keeps its dropout.)

    Returns:
        the stream, as the builders in `models` give it: a spatial body with a pretrained backbone is frozen; of a
        temporal one, the batch norm stays frozen as it was; all else is trained.
    """
    network = _load_stream(Path(source["run"]), stream)
    body = network.get_layer("body")
    body = keras.Model(body.input, body.output, name="body")
    if stream == "spatial":
        body.get_layer("backbone").trainable = not source["pretrained"]
    is_dense = stream == "temporal" and config.temporal_head == "dense"
    dropout = network.get_layer("head").get_layer("dropout").rate if is_dense else config.dropout
    return consensus.build_clip_network(body, num_classes, num_segments, config.consensus, dropout, True, stream)


def _load_stream(folder, stream):
    """The finished stream of a run."""
    path = folder / f"{stream}.keras"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: missing. {stream}_weights must be a run whose {stream} stream is finished. Continue that run "
            "first (the same run_name continues it), or choose another one."
        )
    try:
        network = keras.models.load_model(path, compile=False)
        network.get_layer("body"), network.get_layer("head")
    except Exception as error:  # Keras, zipfile and h5py raise what they like
        raise ValueError(
            f"{path}: {stream}_weights must be a run of this version, whose stream has a body and a head. It cannot "
            f"be read as one: {str(error).splitlines()[0][:200].rstrip('.')}. Train another run."
        ) from error
    return network


def _describe_network(stream, source, clip_config, config):
    """The parameters that make the body of a stream what it is, by name."""
    found = {"precision": config.precision, "temporal_shift": config.temporal_shift}
    found["num_segments"] = clip_config.num_segments
    if source["pretrained"]:
        found["backbone_preprocessing"] = config.backbone_preprocessing
    if stream == "spatial":
        return found | {"crop_size": config.crop_size}
    if source["backbone"] is None:
        found |= {"temporal_network": config.temporal_network, "temporal_head": config.temporal_head}
    return found | {
        "temporal_crop_size": config.crop_size_of("temporal"),
        "flow_length": config.flow_length or clip_config.flow_length,
        "flow_input": config.flow_input,
        "subtract_mean": config.subtract_mean,
        "flow_source": clip_config.flow_source,
    }


def _say_remedy(changed, clip_config):
    """How to make the network of this run the one of the other: what to set, and what the clips must be."""
    prepared = [name for name in changed if name in PREPARED]
    if changed.get("flow_length", 0) > clip_config.flow_length:
        prepared.append("flow_length")
    values = {name: f"{name}={value!r}" for name, value in changed.items()}
    parts = {
        "set": [text for name, text in values.items() if name not in prepared],
        "prepare the clips with": [values[name] for name in prepared],
    }
    text = ", and ".join(f"{verb} {', '.join(texts)}" for verb, texts in parts.items() if texts)
    return f"To start from it, {text}."
