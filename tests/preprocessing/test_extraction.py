import numpy as np
import pytest
from conftest import moving_texture, write_video

from src.config import ClipConfig
from src.flow import compute_flow, stack_fields
from src.preprocessing import extraction
from src.preprocessing.extraction import extract_clip
from src.video import read_segments


def test_shapes_and_displacements_of_a_clip(tmp_path):
    path = write_video(tmp_path / "clip.webm", moving_texture(45, 2, 1, 96, 128))
    config = ClipConfig(short_side=48, num_segments=3, flow_length=4)
    clip = extract_clip(path, config)
    assert clip.frames.shape == (3, 48, 64, 3) and clip.frames.dtype == np.uint8
    assert clip.stacks.shape == (3, 48, 64, 8) and clip.stacks.dtype == np.uint8
    assert [indices[2] for indices in clip.indices] == [7, 22, 37]
    # displacements are in pixels of the stored size, half of the file's
    codes = np.median(clip.stacks, axis=(0, 1, 2)) - 128
    assert codes * config.flow_bound / 127 == pytest.approx([1, 0.5] * 4, abs=0.25)


def test_the_frame_is_the_first_of_the_middle_field_of_its_stack(tmp_path):
    frames = moving_texture(45, 2, 1, 48, 64)
    clip = extract_clip(write_video(tmp_path / "clip.avi", frames, fourcc="MJPG"), ClipConfig(short_side=48))
    for frame, indices in zip(clip.frames, clip.indices, strict=True):
        distance = np.abs(frames.astype(int) - frame).mean(axis=(1, 2, 3))
        assert distance.argmin() == indices[5]


@pytest.mark.parametrize("algorithm", ["farneback", "dis"])
def test_the_algorithm_of_the_configuration_is_used(tmp_path, monkeypatch, algorithm):
    asked = []
    compute = extraction.compute_flow
    monkeypatch.setattr(extraction, "compute_flow", lambda window, name: asked.append(name) or compute(window, name))
    path = write_video(tmp_path / "clip.webm", moving_texture(36, 2, 1, 48, 64))
    clip = extract_clip(path, ClipConfig(short_side=48, flow_algorithm=algorithm, flow_bound=8))
    assert asked == [algorithm] * 6
    assert np.median(clip.stacks[..., 0::2]) == 128 + round(2 * 127 / 8) == 160


@pytest.mark.parametrize("num_frames", [2, 10, 14, 20, 33])
def test_overlapping_windows_have_the_flow_of_each_one_alone(tmp_path, num_frames):
    path = write_video(tmp_path / "clip.webm", moving_texture(num_frames, 2, 1, 48, 64))
    config = ClipConfig(short_side=48, num_segments=3)
    clip = extract_clip(path, config)
    for segment, stack in zip(read_segments(path, 3, 11, 48), clip.stacks, strict=True):
        alone = stack_fields(compute_flow(segment.gray), config.flow_length, config.flow_bound)
        assert np.array_equal(stack, alone)
        still = (stack.reshape(*stack.shape[:2], 10, 2) == 128).all(axis=(0, 1, 3))
        length = len(segment.gray) - 1  # fields that a short clip lacks are zero, on both sides
        before = 5 - length // 2
        assert still.tolist() == [not before <= n < before + length for n in range(10)]
