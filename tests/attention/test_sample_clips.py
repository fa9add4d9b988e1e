"""On clips of the sample, whose moving part is known, the evidence of a fitted temporal stream is on that part."""

import cv2
import keras
import numpy as np
import pytest

from models import build_temporal_cnn, measure_flow_scale
from src.attention import find_attention
from src.flow import compute_flow, stack_fields
from src.sample import clip_spec, moving_mask, render_clip
from src.video import crops, segment_centers

TEMPLATES = ("Moving something up", "Moving something down")
SIDE, SHORT_SIDE, LENGTH, SEGMENTS, BOUND = 64, 96, 6, 2, 10.0


def read_clip(template, seed):
    """(stacks, masks) of a clip's segments in the centre crop; the mask is what moves in a window of frames."""
    spec = clip_spec(template, seed)
    width = round(spec.width * SHORT_SIDE / 240)
    frames, mask = render_clip(spec), moving_mask(spec)
    crop = crops.scored_crops(SHORT_SIDE, width, 1, False)[0]
    stacks, masks = [], []
    for center in segment_centers(spec.num_frames, SEGMENTS):
        window = slice(center - LENGTH // 2, center + LENGTH // 2 + 1)
        grey = [cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (width, SHORT_SIDE)) for frame in frames[window]]
        stack = stack_fields(compute_flow(np.stack(grey)), LENGTH, BOUND)
        stacks.append(crops.crop_stack(stack, crop, SIDE, False))
        moving = cv2.resize(np.uint8(255 * mask[window].any(axis=0)), (width, SHORT_SIDE))
        masks.append(crops.crop_frame(moving[..., None], crop, SIDE).reshape(SIDE, SIDE) > 127)
    return np.stack(stacks), np.stack(masks)


def read_clips(seeds):
    clips = [(label, *read_clip(template, seed)) for seed in seeds for label, template in enumerate(TEMPLATES)]
    return [np.stack(parts) for parts in zip(*clips, strict=True)]


@pytest.mark.slow
def test_evidence_is_on_the_moving_part():
    labels, stacks, _ = read_clips(range(24))
    keras.utils.set_random_seed(0)
    scale = measure_flow_scale(stacks[:, 0])
    stream = build_temporal_cnn(2, SIDE, LENGTH, "small", flow_scale=scale, num_segments=SEGMENTS)
    stream.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    stream.fit(stacks, labels, batch_size=8, epochs=10, verbose=0)
    labels, stacks, masks = read_clips(range(1000, 1008))
    found = find_attention(stream, stacks, labels)
    share, area = (found * masks).sum() / found.sum(), masks.mean()
    assert share > 0.5 and area < 0.2, f"{share:.2f} of the evidence is on {area:.2f} of the area"
