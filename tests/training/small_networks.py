"""Networks with few channels and stages, for tests of how networks are trained."""

from models import backbones, temporal_cnn

CONVOLUTIONS = (("conv1", 8, 7, 2, True), ("conv2", 16, 5, 2, True))


def use_small_networks(patch):
    """Makes both streams small, with a `pytest.MonkeyPatch`."""
    patch.setattr(backbones, "COMPACT_FILTERS", (4, 8))
    patch.setattr(temporal_cnn, "_CONVOLUTIONS", dict.fromkeys(("small", "cnn_m"), CONVOLUTIONS))
