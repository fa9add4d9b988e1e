"""A sliding window gives the scores of each window over time, holds no more than it, and does not lag behind."""

import threading
import weakref
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from conftest import LIMIT, TINY_CONFIG, TINY_NAMES, TINY_TRAINING, moving_texture, write_video

from src.inference import sliding_window
from src.inference.prediction import predict_video, score_clip
from src.inference.recent_windows import RecentWindows
from src.preprocessing import extract_clip
from src.video import VideoError
from src.video.picture import Picture
from src.video.reading import resize
from src.video.stream import Frame

HOLDING, TO_RIGHT, TO_LEFT = range(3)
FPS = 12


def predict(source, two_stream, step=1):
    return sliding_window.predict_stream(source, two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING, step)


@pytest.fixture(scope="module")
def turning(tmp_path_factory):
    """39 frames that move by 2 px/frame, to the right up to frame 19, then back."""
    there = moving_texture(20, 2, 0, 48, 64)
    path = tmp_path_factory.mktemp("videos") / "turning.webm"
    return write_video(path, np.concatenate([there, there[-2::-1]]), fps=FPS)


# A file


def test_scores_change_where_the_motion_does(two_stream, turning):
    moments = list(predict(turning, two_stream))
    assert [moment.index for moment in moments] == list(range(1, 37))  # middles of the windows 0 … 3 to 35 … 38
    for moment in moments:
        assert moment.seconds == pytest.approx(moment.index / FPS, abs=1e-3)
        assert moment.frame.shape == (48, 64, 3) and moment.frame.dtype == np.uint8
        assert set(moment.scores) == {"spatial", "temporal", "fused"}
        for scores in moment.scores.values():
            assert scores.shape == (3,) and scores.dtype == np.float32 and scores.sum() == pytest.approx(1)
        if moment.index not in (18, 19):  # whose windows have both
            assert moment.scores["temporal"].argmax() == (TO_RIGHT if moment.index < 18 else TO_LEFT)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 9])
def test_a_window_has_the_scores_of_a_segment_of_its_frames(two_stream, turning, step):
    """These steps keep two fields of the window before, one, none but a frame, nothing, or leave a gap."""
    moments = list(predict(turning, two_stream, step))
    assert [moment.index for moment in moments] == list(range(1, 37, step))
    clip = extract_clip(turning, replace(TINY_CONFIG, num_segments=39))  # every window
    places = [[indices[1] for indices in clip.indices].index(moment.index) for moment in moments]
    np.testing.assert_array_equal([moment.frame for moment in moments], clip.frames[places])
    for moment, place in zip(moments, places, strict=True):
        window = clip.frames[[place]], clip.stacks[[place]]
        expected = score_clip(*window, two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
        for stream, scores in expected.items():
            np.testing.assert_allclose(moment.scores[stream], scores, atol=1e-6)


@pytest.mark.parametrize("step, pairs", [(1, 38), (5, 3 + 7 * 3), (2, 37)])
def test_flow_is_computed_once_for_each_pair_that_a_window_needs(two_stream, turning, monkeypatch, step, pairs):
    computed, compute = [], sliding_window.compute_flow
    counting = lambda gray, algorithm: computed.append(len(gray) - 1) or compute(gray, algorithm)  # noqa: E731
    monkeypatch.setattr(sliding_window, "compute_flow", counting)
    assert list(predict(turning, two_stream, step)) and sum(computed) == pairs


@pytest.mark.parametrize("num_frames", [2, 3, 4])
def test_a_short_video_gives_one_window_with_the_scores_of_predict_video(two_stream, tmp_path, num_frames):
    path = write_video(tmp_path / "short.webm", moving_texture(num_frames, -2, 0, 48, 64))
    (moment,) = predict(path, two_stream)
    expected, _ = predict_video(path, two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
    for stream, scores in expected.items():
        np.testing.assert_allclose(moment.scores[stream], scores, atol=1e-6)
    assert expected["temporal"].argmax() == TO_LEFT


def test_a_still_video_is_classified_as_without_motion(two_stream, tmp_path):
    still = np.repeat(moving_texture(1, 0, 0, 48, 64), 12, axis=0)
    for num_frames in (3, 12):  # of which the first four repeats are dropped
        *_, moment = predict(write_video(tmp_path / "still.webm", still[:num_frames]), two_stream)
        assert moment.scores["temporal"].argmax() == HOLDING


def test_a_long_video_holds_no_more_than_its_window(two_stream, turning, monkeypatch):
    """500 images that are made on request; all arrays derived from them are counted while they live."""
    there = moving_texture(32, 2, 0, 48, 64)
    alive, most = set(), 0

    def held(array):
        nonlocal most
        alive.add(id(array))
        weakref.finalize(array, alive.discard, id(array))
        most = max(most, len(alive))
        return array

    def pictures(_):
        yield from (Picture(index, index / 25, held(there[index % 32].copy()), (48, 64)) for index in range(500))

    monkeypatch.setattr("src.video.file_reader.FileReader.pictures", pictures)
    for module in ("reading", "repeats"):
        monkeypatch.setattr(f"src.video.{module}.resize", lambda image, size: held(resize(image, size).copy()))
    number = sum(1 for _ in predict(turning, two_stream, 50))
    assert number == 1 + (500 - 4) // 50
    assert most <= 3 * TINY_CONFIG.window_length + 6  # an image, grey and RGB of each


@pytest.mark.parametrize("name", ["step", "spacing"])
def test_distances_below_one_frame_are_refused(two_stream, turning, name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of frames, 1 or more. Received: 0"):
        next(sliding_window.predict_stream(turning, two_stream, [], TINY_CONFIG, TINY_TRAINING, **{"step": 1, name: 0}))


def test_a_truncated_file_is_refused(two_stream, turning, tmp_path):
    cut = tmp_path / "cut.webm"
    cut.write_bytes(turning.read_bytes()[: turning.stat().st_size // 2])
    with pytest.raises(VideoError, match="cut.webm: truncated"):
        next(predict(cut, two_stream))


# Several videos


def test_videos_are_joined_and_no_window_has_frames_of_two(two_stream, tmp_path):
    """Of different frame rates and sizes; the last one is shorter than a window."""
    parts = [(20, 2, 12, (48, 64)), (12, -2, 25, (64, 48)), (3, 2, 10, (48, 64))]
    paths = [
        write_video(tmp_path / f"{fps}.webm", moving_texture(number, u, 0, *size), fps=fps)
        for number, u, fps, size in parts
    ]
    moments = list(predict(paths, two_stream))
    alone = [list(predict(path, two_stream)) for path in paths]
    assert [moment.part for moment in moments] == [0] * 17 + [1] * 9 + [2]
    expected = [m.index + before for found, before in zip(alone, (0, 20, 32), strict=True) for m in found]
    assert [moment.index for moment in moments] == expected
    starts = (0, 20 / 12, 20 / 12 + 12 / 25)
    seconds = [m.seconds + start for found, start in zip(alone, starts, strict=True) for m in found]
    np.testing.assert_allclose([moment.seconds for moment in moments], seconds, atol=2e-3)
    for moment, same in zip(moments, [m for found in alone for m in found], strict=True):
        np.testing.assert_array_equal(moment.frame, same.frame)
        np.testing.assert_allclose(moment.scores["fused"], same.scores["fused"], atol=1e-6)
        assert moment.middle == (moment.index, moment.seconds)  # each window is scored alone


# A live source


class Camera:
    """A `FrameStream` of 120 frames that move to the right. After the first window it waits until that is scored."""

    live = True

    def __init__(self):
        self.scoring, self.ended, self.released = threading.Event(), threading.Event(), False

    def __call__(self, source, short_side):
        return self

    def __iter__(self):
        try:
            for index, rgb in enumerate(moving_texture(120, 2, 0, 48, 64)):
                if index == TINY_CONFIG.window_length:
                    assert self.scoring.wait(LIMIT)
                yield Frame(index, index / FPS, cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), rgb)
        finally:
            self.released = True
            self.ended.set()


@pytest.fixture
def camera(monkeypatch):
    camera = Camera()
    monkeypatch.setattr(sliding_window, "FrameStream", camera)
    return camera


def test_windows_that_come_while_one_is_scored_are_skipped_but_not_the_last(two_stream, camera, monkeypatch):
    """Skipped are whole windows, and no frame within one: the motion that the network is given stays the same."""

    score = RecentWindows.score

    def score_slowly(*given):
        camera.scoring.set()
        assert camera.ended.wait(LIMIT)  # all frames come while the first window is scored
        return score(*given)

    monkeypatch.setattr(RecentWindows, "score", score_slowly)
    moments = list(predict(0, two_stream, 2))
    assert [moment.index for moment in moments] == [1, 117]  # of the windows 0 … 3 and 116 … 119
    first, last = (moment.scores["temporal"] for moment in moments)
    assert first.argmax() == TO_RIGHT and abs(first - last).max() < 0.1


def test_a_camera_is_released_when_the_caller_stops(two_stream, camera):
    moments = predict(0, two_stream, 5)
    next(moments)
    camera.scoring.set()
    moments.close()
    assert camera.released


@pytest.fixture(scope="module")
def address(turning):
    """Serves the folder of `turning`, and /camera: 30 frames that move to the right, without an announced length."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/camera":
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for frame in moving_texture(30, 2, 0, 48, 64):
                data = cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")

        def log_message(self, *_):
            pass

    handler = partial(Handler, directory=turning.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")  # FFmpeg would ask the proxy of http_proxy
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("path, live, windows", [("turning.webm", False, 36), ("camera", True, 27)])
def test_a_stream_is_live_if_its_header_announces_no_length(two_stream, address, monkeypatch, path, live, windows):
    kept = []
    monkeypatch.setattr(sliding_window, "keep_latest", lambda windows: kept.append(path) or windows)
    moments = list(predict(f"{address}/{path}", two_stream))
    assert bool(kept) == live and [moment.index for moment in moments] == list(range(1, windows + 1))
    assert moments[0].scores["temporal"].argmax() == TO_RIGHT
    assert (np.diff([moment.seconds for moment in moments]) >= 0).all()
