"""The networks as functional `keras.Model`s: the spatial stream, the temporal stream, both in one, and their layers."""

from models import consensus, farneback, resampling
from models.cross_modality import build_cross_modality
from models.end_to_end import build_end_to_end
from models.farneback import FarnebackFlow
from models.finetuned_resnet import build_finetuned_resnet
from models.freezing import leaf_layers, unfreeze_last_stage
from models.pretrained import resolve_weights
from models.temporal_cnn import build_temporal_cnn, measure_flow_scale, takes_frames
from models.two_stream import build_two_stream
