"""Which weights a stream starts from, by the notebooks' `spatial_weights` and `temporal_weights`."""

import socket
import warnings
from pathlib import Path

from models.backbones import NETWORKS, build_backbone

DOWNLOAD_TIMEOUT = 20  # seconds; a network that drops packets must not block a notebook for minutes


def resolve_weights(weights: str | None, stream: str = "spatial") -> dict:
    """Returns the arguments of `build_backbone` for a choice of weights.

    "auto" is ResNet50 with ImageNet weights where they are cached or can be downloaded, else the compact network,
    with a warning.

    Args:
        weights: "auto", "imagenet" (ResNet50), the name of another network with ImageNet weights (a key of
            `models.backbones.NETWORKS`, such as "efficientnetv2b0"), "compact", None (ResNet50 with random weights),
            the path of a file of ResNet50 weights, or of a saved backbone (.keras).
        stream: "spatial" or "temporal", for the messages.

    Returns:
        {"backbone": …, "weights": …, "pretrained": bool}.

    Raises:
        FileNotFoundError: neither a name that is known, nor the path of a file. (Folders of runs are read by
            `src.training.transfer`.)
        ValueError: the file is no backbone.
        RuntimeError: "imagenet" or a network was requested, and its weights are neither cached nor can be downloaded.
    """
    if weights is None:
        return {"backbone": "resnet50", "weights": None, "pretrained": False}
    if weights == "compact":
        return {"backbone": "compact", "weights": None, "pretrained": False}
    if weights in ("auto", "imagenet", *NETWORKS):
        backbone = weights if weights in NETWORKS else "resnet50"
        failure = _try(backbone, "imagenet")
        if failure is None:
            return {"backbone": backbone, "weights": "imagenet", "pretrained": True}
        unavailable = f"the ImageNet weights of {backbone} are neither cached nor can they be downloaded ({failure})."
        if weights != "auto":
            raise RuntimeError(f'{stream}_weights="{weights}": {unavailable} Connect once, or set a file or "compact".')
        warnings.warn(
            f"NO PRETRAINED WEIGHTS: {unavailable} The {stream} stream is a compact residual network that learns from "
            f"scratch; expect a lower accuracy. Connect once, or set {stream}_weights to a file.",
            stacklevel=2,
        )
        return {"backbone": "compact", "weights": None, "pretrained": False}
    path = Path(weights)
    if not path.exists():
        raise FileNotFoundError(
            f'{path}: {stream}_weights must be "auto", "imagenet", "compact", None, one of {tuple(NETWORKS)} (with '
            "ImageNet weights), a file, or the folder of a finished run; there is no such file or folder."
        )
    backbone, file = (str(path), None) if path.suffix == ".keras" else ("resnet50", str(path))
    failure = _try(backbone, file)
    if failure is not None:
        raise ValueError(
            f"{path}: {stream}_weights must be a saved Keras model that maps an image to features (.keras), ResNet50 "
            f"weights without top (.h5), or the folder of a run. It cannot be read as one: {failure}"
        )
    return {"backbone": backbone, "weights": file, "pretrained": True}


def _try(backbone, weights):
    """Builds a backbone, which downloads weights that are not cached; returns None, or the reason of a failure."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        build_backbone(backbone, 64, weights)
    except Exception as error:  # Keras, zipfile and h5py raise what they like
        return f"{type(error).__name__}: {error}".splitlines()[0][:200]
    finally:
        socket.setdefaulttimeout(timeout)
    return None
