import numpy as np
import pytest
from conftest import TINY_CONFIG, make_subset, moving_texture, write_good_and_bad, write_video

from src.preprocessing.examples import find_example, read_strips
from src.preprocessing.extraction import extract_clip
from src.video import VideoError


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Do not write to it."""
    return write_good_and_bad(tmp_path_factory.mktemp("videos"))


def test_the_example_is_the_first_usable_training_clip_of_its_class(videos):
    split = ["train", "train", "test", "train", "train"]
    example = find_example(videos.assign(label="one", split=split), TINY_CONFIG)
    assert example.video_id == "good_1" and example.video.path.endswith("good 1.webm")
    assert example.clip.frames.shape == (2, 64, 48, 3)


def test_the_example_is_the_clip_with_the_fastest_motion(videos):
    motion = {
        row.video_id: np.abs(extract_clip(row.path, TINY_CONFIG).stacks.astype(int) - 128).mean()
        for row in videos[2:].itertuples()
    }
    assert find_example(videos.assign(label=videos.video_id), TINY_CONFIG).video_id == max(motion, key=motion.get)


def test_without_a_usable_clip_the_error_says_why(videos):
    with pytest.raises(VideoError, match=r"bad_text\.webm: must be a video"):
        find_example(videos[:1], TINY_CONFIG)
    with pytest.raises(VideoError, match=r"bad_missing\.webm: "):
        read_strips(videos[:2])
    for look in (lambda subset: find_example(subset, TINY_CONFIG), read_strips):
        with pytest.raises(VideoError, match="needs a training clip"):
            look(videos.assign(split="test"))


def test_a_clip_is_chosen_by_its_id_or_its_label(videos):
    labelled = videos.assign(
        label=["run", "run", "run", "jump", "10"], split=["test", "train", "test", "train", "train"]
    )
    assert find_example(labelled, TINY_CONFIG, "good_0").video_id == "good_0"  # of the test split, too
    assert find_example(labelled, TINY_CONFIG, "run").video_id == "good_0"  # the others of its class cannot be used
    assert find_example(labelled, TINY_CONFIG, "jump").video_id == "good_1"
    assert find_example(labelled, TINY_CONFIG, 10).label == "10"  # without quotes
    with pytest.raises(VideoError, match="bad_text"):
        find_example(labelled, TINY_CONFIG, "bad_text")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("Good_", "'good_0', 'good_1', 'good_2'"),
        ("god_1", "'good_1'"),
        ("clas 0", "'class 0'"),
        ("", "Labels: 'class 0'"),
    ],
)
def test_an_unknown_clip_is_an_error_that_names_near_ones(videos, wrong, near):
    with pytest.raises(ValueError, match=f"clip must be a video_id or a label .*Received: {wrong!r}. .*{near}"):
        find_example(videos, TINY_CONFIG, wrong)


def test_the_moment_of_an_example_is_where_something_moves(tmp_path):
    """A still scene in which a square moves between the frames 12 and 13 alone."""
    still = moving_texture(1, 0, 0, 48, 64).repeat(16, axis=0)
    for number, frame in enumerate(still):
        left = 20 if number <= 12 else 24
        frame[16:32, left : left + 16] = moving_texture(1, 0, 0, 16, 16, seed=1)[0]
    path = write_video(tmp_path / "square.avi", still, fourcc="MJPG")
    example = find_example(make_subset([("square", path)]), TINY_CONFIG)
    assert example.segment == 1 and example.pair == (12, 13)


def test_frames_of_an_example_are_spread_over_it(tmp_path):
    """Frame n of 100 is grey of n + 50."""
    frames = np.full((100, 24, 32, 3), 50, np.uint8) + np.arange(100, dtype=np.uint8)[:, None, None, None]
    frames[::2, :, :8] += 20  # no frame repeats the one before
    example = find_example(
        make_subset([("long", write_video(tmp_path / "long.avi", frames, fourcc="FFV1"))]), TINY_CONFIG
    )
    read = example.read_frames(short_side=12)
    assert read.shape == (48, 12, 16, 3)
    np.testing.assert_allclose(read[:, 6, 12].mean(axis=-1), 50 + np.linspace(0, 99, 48).astype(int), atol=2)


def test_strips_show_a_few_frames_of_a_clip_of_each_class(videos):
    subset = videos.assign(label=["run", "jump", "run", "jump", "other"])
    strips = read_strips(subset, num_frames=3, short_side=24)
    assert list(strips) == ["run", "jump", "other"]  # the first usable clip of each
    assert [strip.shape for strip in strips.values()] == [(3, 24, 32, 3), (3, 32, 24, 3), (3, 24, 32, 3)]
    assert strips["run"].dtype == np.uint8 and (strips["run"][0] != strips["run"][2]).any()
    assert list(read_strips(subset, most=2)) == ["run", "jump"]
    assert list(read_strips(videos.assign(label=videos.video_id), most=1)) == ["good_0"]
    assert list(read_strips(subset.assign(split=["train", "train", "test", "train", "test"]))) == ["jump"]
