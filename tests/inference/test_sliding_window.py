"""A sliding window gives over time what the streams give of each window, holds no more than it, and never lags."""

import subprocess
import sys
import threading
import time
import weakref
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import TINY_CONFIG, TINY_NAMES, TINY_TRAINING, moving_texture, write_video

from models.temporal_cnn import build_temporal_cnn
from src.inference import sliding_window as live
from src.inference.prediction import load_run, predict_video, score_segments
from src.inference.sliding_window import (
    Moment,
    collect_timeline,
    frames_per_second,
    keep_latest,
    predict_long_video,
    predict_stream,
)
from src.inputs.data_set import read_clips
from src.preprocessing.extraction import extract_clip
from src.store.manifest import manifest_digest
from src.training.runs import start_run
from src.video import reading
from src.video.reading import VideoError

HOLDING, TO_RIGHT, TO_LEFT = range(3)
FPS = 12
NOWHERE = "://127.0.0.1:9/stream"  # the port of the discard service: nobody listens


def predict(source, two_stream, step=1):
    return predict_stream(source, two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING, step)


@pytest.fixture(scope="module")
def turning(tmp_path_factory):
    """39 frames that move by 2 px/frame, to the right up to frame 19, then back."""
    there = moving_texture(20, 2, 0, 48, 64)
    path = tmp_path_factory.mktemp("videos") / "turning.webm"
    return write_video(path, np.concatenate([there, there[-2::-1]]), fps=FPS)


@pytest.fixture(scope="module")
def hung_up():
    """Whether someone stopped looking at /camera before its end."""
    return threading.Event()


@pytest.fixture(scope="module")
def address(turning, hung_up):
    """Serves the folder of `turning`, and /camera: pictures that move to the right, 60 each second, for 2 seconds."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/camera":
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
            self.end_headers()
            for picture in pictures:
                data = cv2.imencode(".jpg", picture[..., ::-1])[1].tobytes()
                head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                try:
                    self.wfile.write(head.encode() + data + b"\r\n")
                except ConnectionError:
                    return hung_up.set()
                time.sleep(1 / 60)

        def log_message(self, *_):
            pass

    pictures = moving_texture(120, 2, 0, 48, 64)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=turning.parent)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


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
        if moment.index not in (18, 19):  # whose windows see both
            assert moment.scores["temporal"].argmax() == (TO_RIGHT if moment.index < 18 else TO_LEFT)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 9])
def test_a_window_has_the_scores_of_a_segment_of_its_frames(two_stream, turning, step):
    """Steps that leave two fields of the window before, one, none but a frame, nothing, and a gap."""
    moments = list(predict(turning, two_stream, step))
    assert [moment.index for moment in moments] == list(range(1, 37, step))
    clip = extract_clip(turning, replace(TINY_CONFIG, num_segments=39))  # every window
    places = [[indices[1] for indices in clip.indices].index(moment.index) for moment in moments]
    expected = score_segments(
        clip.frames[places], clip.stacks[places], two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING
    )
    np.testing.assert_array_equal([moment.frame for moment in moments], clip.frames[places])
    for stream, scores in expected.items():
        np.testing.assert_allclose([moment.scores[stream] for moment in moments], scores, atol=1e-6)


@pytest.mark.parametrize("step, pairs", [(1, 38), (5, 3 + 7 * 3), (2, 37)])
def test_flow_is_computed_once_for_each_pair_that_a_window_needs(two_stream, turning, monkeypatch, step, pairs):
    computed, compute = [], live.compute_flow
    monkeypatch.setattr(live, "compute_flow", lambda gray, kind: computed.append(len(gray) - 1) or compute(gray, kind))
    assert list(predict(turning, two_stream, step)) and sum(computed) == pairs


@pytest.mark.parametrize("num_frames", [2, 3, 4])
def test_a_short_video_gives_the_one_answer_of_predict_video(two_stream, tmp_path, num_frames):
    path = write_video(tmp_path / "short.webm", moving_texture(num_frames, -2, 0, 48, 64))
    (moment,) = predict(path, two_stream)
    expected, _ = predict_video(path, two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
    for stream, scores in expected.items():
        np.testing.assert_allclose(moment.scores[stream], scores, atol=1e-6)
    assert expected["temporal"].argmax() == TO_LEFT


def test_a_still_video_holds_something(two_stream, tmp_path):
    still = np.repeat(moving_texture(1, 0, 0, 48, 64), 12, axis=0)
    for num_frames in (3, 12):  # of which the first four repeats are dropped
        *_, moment = predict(write_video(tmp_path / "still.webm", still[:num_frames]), two_stream)
        assert moment.scores["temporal"].argmax() == HOLDING


def test_repeats_of_a_raised_frame_rate_are_dropped(two_stream, tmp_path):
    """Every frame twice: 2 px/frame stay 2 px/frame, and half of the fields are not zero."""
    frames = moving_texture(16, 2, 0, 48, 64)
    doubled = write_video(tmp_path / "doubled.webm", np.repeat(frames, 2, axis=0), fps=24)
    moments = list(predict(doubled, two_stream))
    once = list(predict(write_video(tmp_path / "once.webm", frames), two_stream))
    assert [moment.index for moment in moments] == [2 * moment.index for moment in once]
    for found, expected in zip(moments, once, strict=True):
        np.testing.assert_allclose(found.scores["temporal"], expected.scores["temporal"], atol=0.05)
        assert found.seconds == pytest.approx(expected.seconds, abs=1e-3)


def test_a_long_video_holds_no_more_than_its_window(two_stream, turning, monkeypatch):
    """3,000 images that are made as they are asked for; all that are derived from them are counted while they live."""
    there = moving_texture(32, 2, 0, 48, 64)
    alive, most, resize = set(), 0, reading.resize

    def held(array):
        nonlocal most
        alive.add(id(array))
        weakref.finalize(array, alive.discard, id(array))
        most = max(most, len(alive))
        return array

    def images(*_, **__):
        yield from ((index, held(there[index % 32].copy())) for index in range(3000))

    monkeypatch.setattr("src.video.stream.decode", images)
    for module in ("reading", "repeats"):
        monkeypatch.setattr(f"src.video.{module}.resize", lambda image, size: held(resize(image, size).copy()))
    ticks = count()
    monkeypatch.setattr("src.video.stream.FrameStream._seconds", lambda self: next(ticks))
    number = sum(1 for _ in predict(turning, two_stream, 50))
    assert number == 1 + (3000 - 4) // 50
    assert most <= 3 * TINY_CONFIG.window_length + 6  # an image, grey and RGB of each


# What cannot be used


@pytest.mark.parametrize("source, name", [(63, "camera 63"), (f"http{NOWHERE}", "http:"), (f"rtsp{NOWHERE}", "rtsp:")])
def test_a_camera_or_a_stream_that_is_not_there_is_named(two_stream, source, name):
    with pytest.raises(VideoError, match=f"^{name}.*: must be a camera or a stream .* Is it connected"):
        next(predict(source, two_stream))


def test_files_are_refused_as_in_training(two_stream, turning, tmp_path):
    one = write_video(tmp_path / "one.webm", moving_texture(1, 0, 0, 48, 64))
    cut = tmp_path / "cut.webm"
    cut.write_bytes(turning.read_bytes()[: turning.stat().st_size // 2])
    for path, reason in ((tmp_path / "absent.mp4", "no regular file"), (one, "too short"), (cut, "truncated")):
        with pytest.raises(VideoError, match=f"{path.name}: .*{reason}"):
            next(predict(path, two_stream))


@pytest.mark.parametrize("step", [0, -1])
def test_a_step_leads_on(two_stream, turning, step):
    with pytest.raises(ValueError, match=f"step must be .* 1 or more. Received: {step}"):
        next(predict(turning, two_stream, step))


# A stream


def test_a_file_that_a_server_sends_is_waited_for(two_stream, turning, address):
    """Its header announces a length: no camera."""
    streamed, local = (list(predict(source, two_stream)) for source in (f"{address}/{turning.name}", turning))
    assert [(moment.index, moment.seconds) for moment in streamed] == [(m.index, m.seconds) for m in local]
    for found, expected in zip(streamed, local, strict=True):
        np.testing.assert_array_equal(found.scores["fused"], expected.scores["fused"])


def test_a_slow_machine_scores_a_camera_less_often_but_never_late(two_stream, address, monkeypatch):
    """60 pictures a second, and 0.25 s for each window: whole windows are skipped, no frame within one is."""
    score = live.score_segments
    monkeypatch.setattr(live, "score_segments", lambda *given: time.sleep(0.25) or score(*given))
    begun, moments = time.monotonic(), []
    for moment in predict(f"{address}/camera", two_stream, 2):
        moments.append(moment)
        # From the middle of its window to its score: the window's end, a step, and the time that scoring takes.
        assert time.monotonic() - begun - moment.seconds < 1.5
    gaps = np.diff([moment.index for moment in moments])
    assert 3 <= len(moments) <= 12 and (gaps[:-1] > 6).all() and (gaps % 2 == 0).all()
    assert moments[-1].index == 117  # of the last window, 116 … 119
    assert [moment.scores["temporal"].argmax() for moment in moments] == [TO_RIGHT] * len(moments)
    assert np.ptp([moment.scores["temporal"][TO_RIGHT] for moment in moments]) < 0.1  # the same px/frame in all
    assert frames_per_second([moment.scored_at for moment in moments], step=2) < 2 / 0.25


def test_a_camera_is_let_go_when_enough_was_seen(two_stream, address, hung_up):
    hung_up.clear()
    moments = predict(f"{address}/camera", two_stream, 5)
    assert len(list(islice(moments, 2))) == 2
    moments.close()
    assert hung_up.wait(1)


def test_the_latest_is_kept_and_the_last_is_not_lost():
    def items():
        for number in range(50):
            yield number
            time.sleep(0.004)

    seen = []
    for item in keep_latest(items()):
        seen.append(item)
        time.sleep(0.02)
    assert seen == sorted(set(seen)) and seen[-1] == 49 and 5 <= len(seen) <= 20


def test_what_a_source_raises_comes_after_what_it_gave():
    def items():
        yield 1
        raise VideoError("it broke")

    seen = []
    with pytest.raises(VideoError, match="it broke"):
        seen.extend(keep_latest(items()))
    kept = keep_latest(items())
    assert next(kept) == 1
    with pytest.raises(VideoError, match="it broke"):
        next(kept)


# Timelines


def make_moments(number, period=0.5):
    for n in range(number):
        scores = {stream: np.float32([1 - n / 1000, n / 1000]) for stream in ("spatial", "temporal", "fused")}
        yield Moment(5 * n, n / 10, np.full((2, 2, 3), n % 256, np.uint8), scores, 100 + n * period)


def test_a_timeline_has_a_row_for_each_window_and_a_column_for_each_stream_and_class(two_stream, turning):
    line = predict_long_video(turning, two_stream, TINY_NAMES, TINY_CONFIG, TINY_TRAINING, 5)
    moments = list(predict(turning, two_stream, 5))
    assert line.scores.index.name == "seconds" and line.scores["fused"].columns.tolist() == TINY_NAMES
    np.testing.assert_array_equal(line.scores.index, [moment.seconds for moment in moments])
    for stream in ("spatial", "temporal", "fused"):
        np.testing.assert_array_equal(line.scores[stream], [moment.scores[stream] for moment in moments])
    assert list(line.frames) == list(line.scores.index) and line.fps > 0
    np.testing.assert_array_equal(line.frames[moments[3].seconds], moments[3].frame)


@pytest.mark.parametrize("number, kept, every", [(1, 1, 1), (64, 64, 1), (65, 33, 2), (1000, 63, 16)])
def test_a_timeline_keeps_few_frames_evenly_spread(number, kept, every):
    line = collect_timeline(make_moments(number), ["no", "yes"], 5)
    assert len(line.scores) == number and len(line.frames) == kept
    np.testing.assert_allclose(list(line.frames), np.arange(kept) * every / 10)
    assert all((frame == round(10 * seconds) % 256).all() for seconds, frame in line.frames.items())


def test_the_rate_is_that_after_the_first_window():
    assert frames_per_second([3.0, 3.5, 4.0, 5.0], step=4) == 3 * 4 / 2
    assert np.isnan(frames_per_second([3.0], step=4)) and np.isnan(frames_per_second([], step=4))
    assert collect_timeline(make_moments(7, period=0.25), ["no", "yes"], 5).fps == pytest.approx(20)


# The command


@pytest.fixture
def run(two_stream, tiny_store, tmp_path):
    clips, store, _ = read_clips(tiny_store[0])
    run = start_run("fitted", tiny_store[0], manifest_digest(clips), store.config, TINY_TRAINING, tmp_path)
    two_stream.save(run.folder / "two_stream.keras")
    return run


def test_the_command_prints_a_line_for_each_window(run, turning, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["src.inference.sliding_window", str(run.folder), str(turning), "--step", "12"])
    live.main()
    *lines, end = capsys.readouterr().out.splitlines()
    assert end == "The source has ended."
    assert [line.split(" s ")[0].strip() for line in lines] == ["0.1", "1.1", "2.1"]
    assert "nan frames/s" in lines[0] and all(float(line.split(" s ")[1].split()[0]) > 0 for line in lines[1:])
    fused = [moment.scores["fused"] for moment in predict(turning, load_run(run.folder)[0], 12)]
    for line, scores in zip(lines, fused, strict=True):
        assert line.endswith(f"{scores.max():.2f}  {TINY_NAMES[scores.argmax()]}")


def test_the_command_says_what_is_wrong_with_a_source(run, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["src.inference.sliding_window", str(run.folder), "63"])
    with pytest.raises(SystemExit, match="1"):
        live.main()
    assert capsys.readouterr().err.endswith("no other program using it?\n")


def test_a_run_is_loaded_as_it_was_fitted(run, two_stream, turning):
    loaded, names, clip_config, config = load_run(run.folder)
    assert (names, clip_config, config) == (TINY_NAMES, TINY_CONFIG, TINY_TRAINING)
    for found, expected in zip(predict(turning, loaded, 10), predict(turning, two_stream, 10), strict=True):
        np.testing.assert_array_equal(found.scores["fused"], expected.scores["fused"])


def test_a_run_that_is_not_finished_or_of_another_subset_is_refused(run):
    (run.folder / "two_stream.keras").unlink()
    with pytest.raises(FileNotFoundError, match="two_stream.keras: not there. Finish the run"):
        load_run(run.folder)
    path = run.folder / "config.json"
    path.write_text(path.read_text().replace(run.record["manifest_digest"], "0123456789ab"))
    with pytest.raises(ValueError, match="subset 0123456789ab of .* prepared there now is"):
        load_run(run.folder)


def test_a_network_that_computes_flow_is_loaded_by_a_process_that_did_not_build_it(tmp_path):
    build_temporal_cnn(3, 64, 3, frames_bound=20.0).save(tmp_path / "temporal.keras")
    code = "import sys, keras, src.inference.sliding_window; print(keras.models.load_model(sys.argv[1]).name)"
    command = [sys.executable, "-c", code, str(tmp_path / "temporal.keras")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout == "temporal\n", done.stderr
