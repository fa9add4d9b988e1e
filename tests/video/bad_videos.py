"""Kinds of video files that people have: `KINDS` tells how each is written, and what the reader must make of it.

The outcome is `Shows` if the file is usable, or else a regular expression that the error's message must match.
"""

import os
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from write_videos import (
    FRAMES,
    NOISE,
    add_cover,
    add_larger_frames,
    add_sound,
    add_subtitles,
    add_video,
    archive,
    content,
    encode,
    garbled,
    grey,
    linked,
    named,
    replaced,
    resized,
    scaled,
    shown_at,
    sound,
    texture,
    turned,
    video,
    without_first,
)

STILL = np.repeat(FRAMES[:1], 14, axis=0)
FADE_IN = np.concatenate([STILL[:5] * 0, FRAMES])
AT_30, AT_60 = (FRAMES[np.arange(14 * rate // 12) * 12 // rate] for rate in (30, 60))
JPEG, PNG = (cv2.imencode(suffix, FRAMES[0])[1].tobytes() for suffix in (".jpg", ".png"))


class Shows(NamedTuple):
    """What the frames must be.

    Attributes:
        frames: uint8 (T, H, W, 3), RGB: every frame of the file.
        motion: (u, v), px/frame of the file; None if the clip does not determine it.
        off: mean difference to `frames` that the codec may cause, grey levels; a wrong colour range gives 6.
    """

    frames: np.ndarray = FRAMES
    motion: tuple[float, float] | None = (2, 1)
    off: float = 4


NO_VIDEO = "must be a video that FFmpeg can open; no video stream was found in it. It begins with b'.*Download it"
NO_FRAME = "at least one frame; none could be read. Download it again"
TOO_SHORT = "too short: optical flow needs at least 2 frames; the file holds 1. Leave it out.*download it again"
TRUNCATED = r"truncated: it announces [\d,]+ bytes, the file holds [\d,]+ of them. Download it again"
CUT_OFF = f"{TOO_SHORT}|{TRUNCATED}"  # the sizes depend on the encoder's number of threads
DAMAGED = r"damaged: it holds \d+ frames, of which only 0 can be decoded. Download it again"
NO_KEY_FRAME = "damaged: the first frame must be a key frame; .*missing. Download it again"
NO_FILE = "must be a video file; there is no regular file of that name. Correct the path"
SIZE = "frames must have at most 67,108,864 pixels and an aspect ratio of at most 16; they are {} × {} pixels. Crop"

h264, mpeg4, ffv1 = (partial(video, codec) for codec in ("libx264", "mpeg4", "ffv1"))
mjpeg = partial(video, "mjpeg", pixels="yuvj420p", full_range=True)
in_front = h264(container={"movflags": "faststart"})
interlaced = {"flags": "+ildct+ilme"}
fast = replaced(video(), b"\x04\xf7\x90\xd5", b"\x00\x0f\x42\x40")  # WebM header: 83 → 1 ms a frame
duration = partial(replaced, video(), b"\x44\x89\x88")  # duration in a WebM header
milliseconds = [10, 510, 511, 514, 554, 594, 794, 827, 860, 1860, 1865, 1870, 1950, 2030]
backwards = [1000, 1083, 1167, 1250, 1333, 1333, 1320, 1583, 1667, 1600, 1833, 1917, 2000, 2083]

LOST = Shows(motion=None)  # B-frames before the cut are missing, so the motion there is that of two frames
CUTS = {  # container: (how it is written, outcomes for the first 10, 30, 50, 70, 90 and 99 % of the file)
    "webm": (video(), [NO_VIDEO, NO_FRAME, TRUNCATED, TRUNCATED, Shows(), Shows()]),
    "mkv": (h264(), [NO_FRAME, NO_FRAME, CUT_OFF, TRUNCATED, LOST, Shows()]),
    "avi": (mpeg4(), [NO_VIDEO, NO_VIDEO, NO_VIDEO, TRUNCATED, Shows(), Shows()]),
    "mp4": (h264(), [NO_VIDEO] * 5 + [Shows()]),
    "index in front.mp4": (in_front, [NO_FRAME, NO_FRAME, CUT_OFF, TRUNCATED, LOST, LOST]),
    "flv": (h264(), [NO_FRAME, NO_FRAME, TRUNCATED, TRUNCATED] + [LOST, LOST]),
    "ts": (h264(rate=25), [NO_KEY_FRAME, TOO_SHORT, LOST, LOST, LOST, LOST]),  # without an announced duration
}

KINDS = {  # file name: (how it is written, expected outcome)
    # Not a video
    "missing.webm": (lambda path: None, NO_FILE),
    "folder.webm": (os.mkdir, "must be a video file; it is a folder. Correct the path"),
    "fifo.webm": (os.mkfifo, NO_FILE),
    "dangling link.webm": (lambda path: path.symlink_to("nowhere"), NO_FILE),
    "link loop.webm": (lambda path: path.symlink_to(path), NO_FILE),
    "device.webm": (lambda path: path.symlink_to("/dev/zero"), NO_FILE),
    "no permission.webm": (lambda path: encode(path).chmod(0), "must be a readable file; Permission denied"),
    "under a file.webm/1.webm": (lambda path: path.parent.touch(), NO_FILE),
    "n" * 256: (lambda path: None, "must be a readable file; File name too long|no regular file"),
    "empty.webm": (content(b""), "empty: the file has 0 bytes. Download it again"),
    os.fsdecode(b"empty, not UTF-8 \xff\xfe.webm"): (content(b""), "empty: the file has 0 bytes. Download it again"),
    "noise.webm": (content(NOISE), NO_VIDEO),
    "noise.mp4": (content(NOISE), NO_VIDEO),
    "zeros of 2 GB.mp4": (resized(content(b""), 2 << 30), NO_VIDEO),
    "text.webm": (content(b"A line of text. " * 100), NO_VIDEO),
    "page.webm": (content(b"<!DOCTYPE html><html><body>404 Not Found</body></html>"), "begins with b'<!DOCTYPE html>"),
    "lfs pointer.webm": (
        content(b"version https://git-lfs.github.com/spec/v1\nsize 9\n"),
        "with b'version https://git-",
    ),
    "error.webm": (content(b'{"error": {"code": 403, "message": "quota exceeded"}}'), NO_VIDEO),
    "playlist.webm": (content(b"#EXTM3U\n#EXTINF:2,\nhttp://127.0.0.1:9/1.ts\n#EXT-X-ENDLIST\n"), NO_VIDEO),
    "archive.webm": (archive, "begins with b'PK"),
    "jpeg.webm": (content(JPEG), TOO_SHORT),
    "png.webm": (content(PNG), TOO_SHORT),
    "mp3 named.webm": (named("1.mp3", sound("libmp3lame")), NO_VIDEO),
    "wav named.webm": (named("1.wav", sound("pcm_s16le")), NO_VIDEO),
    "audio only.webm": (sound("libopus"), NO_VIDEO),
    "audio only.mp4": (sound("aac"), NO_VIDEO),
    "song with a cover.mp3": (sound("libmp3lame", add_cover), TOO_SHORT),
    # Cut off or damaged
    **{
        f"{share} % of.{container}": (resized(make, share / 100), expected)
        for container, (make, outcomes) in CUTS.items()
        for share, expected in zip((10, 30, 50, 70, 90, 99), outcomes, strict=True)
    },
    "half, header of 1000 a second.webm": (resized(fast, 0.5), TRUNCATED),
    "half, starts at 10 s.webm": (resized(video(times=[10_000 + 83 * n for n in range(14)]), 0.5), TRUNCATED),
    "half, then zeros.webm": (resized(resized(video(), 0.5), 1 << 24), TRUNCATED),
    "all, then zeros.webm": (resized(video(), 1 << 24), Shows()),
    "first frame broken.webm": (video(alter=partial(garbled, {0})), DAMAGED),
    "first frame broken.avi": (mjpeg(alter=partial(garbled, {0})), Shows(FRAMES[1:])),
    "no key frame.webm": (video(alter=without_first), NO_KEY_FRAME),
    "no key frame.mp4": (h264(alter=without_first), NO_KEY_FRAME),
    "no key frame.avi": (mpeg4(alter=without_first), NO_KEY_FRAME),
    "encrypted.webm": (video(alter=partial(garbled, range(99))), DAMAGED),
    "encrypted.avi": (mpeg4(alter=partial(garbled, range(99))), DAMAGED),
    # Numbers of frames
    "one frame.webm": (video(frames=FRAMES[:1]), TOO_SHORT),
    "two frames.webm": (video(frames=FRAMES[:2]), Shows()),
    "ten frames.webm": (video(frames=FRAMES[:10]), Shows()),
    "eleven frames.webm": (video(frames=FRAMES[:11]), Shows()),
    "still.webm": (video(frames=STILL), Shows(STILL, (0, 0))),
    "still.avi": (mjpeg(frames=STILL), Shows(STILL, (0, 0))),
    **{f"still {n}.avi": (mjpeg(frames=STILL[:n]), Shows(STILL[:n], (0, 0))) for n in (2, 3, 4, 5, 6, 7)},
    "black.webm": (video(frames=STILL * 0), "black: all segments are black. Leave it out"),
    "fade-in.webm": (video(frames=FADE_IN), Shows(FADE_IN, None)),
    "12 shown at 30.webm": (video(frames=AT_30, rate=30), Shows(AT_30)),
    "12 shown at 60.webm": (video(frames=AT_60, rate=60), Shows(AT_60)),
    # Sizes and rotations
    "1 x 1.mkv": (ffv1(frames=STILL[:, :1, :1]), Shows(STILL[:, :1, :1], (0, 0))),
    "2 x 2.mkv": (ffv1(frames=FRAMES[:, :2, :2], pixels="bgr0"), Shows(FRAMES[:, :2, :2], None)),
    "3 x 1.avi": (mjpeg(frames=FRAMES[:, :1, :3], pixels="yuvj444p"), Shows(FRAMES[:, :1, :3], None)),
    "8K.avi": (
        lambda path: mjpeg(frames=scaled(FRAMES[:3], 4320, 7680))(path),
        Shows(scaled(FRAMES[:3], 54, 96), None),
    ),
    "16000 x 16000.gif": (
        replaced(video("gif", pixels="rgb8"), b"GIF89a", b"GIF89a\x80\x3e\x80\x3e"),
        SIZE.format(16000, 16000),
    ),
    "odd size.webm": (video(frames=texture(14, 143, 175)), Shows(texture(14, 143, 175))),
    "wide.webm": (video(frames=texture(14, 40, 320)), Shows(texture(14, 40, 320))),
    "tall.webm": (video(frames=texture(14, 320, 40)), Shows(texture(14, 320, 40))),
    "far too wide.webm": (video(frames=texture(14, 16, 2000)), SIZE.format(2000, 16)),
    "far too tall.webm": (video(frames=texture(14, 2000, 16)), SIZE.format(16, 2000)),
    "portrait.webm": (video(frames=texture(14, 64, 48)), Shows(texture(14, 64, 48))),
    "turned 90.mp4": (h264(turn=90), Shows(turned(90), (1, -2))),
    "turned 180.mp4": (h264(turn=180), Shows(turned(180), (-2, -1))),
    "turned 270.mp4": (h264(turn=-90), Shows(turned(270), (-1, 2))),
    "larger from the middle.webm": (video(frames=FRAMES[:7], more=add_larger_frames), Shows()),
    # Pixels
    "grey.mkv": (ffv1(pixels="gray"), Shows(grey(FRAMES))),
    "grey of 16 bits.mkv": (ffv1(pixels="gray16le"), Shows(grey(FRAMES))),
    "alpha.webm": (video("libvpx-vp9", pixels="yuva420p"), Shows()),
    "alpha.mov": (video("png", pixels="rgba"), Shows(off=1)),
    "grey and alpha.mov": (video("png", pixels="ya8"), Shows(grey(FRAMES))),
    "animation.mov": (video("qtrle", pixels="argb"), Shows(off=1)),
    "10 bits.mp4": (h264(pixels="yuv420p10le"), Shows()),
    "10 bits.mkv": (ffv1(pixels="yuv420p10le"), Shows()),
    "full range.mp4": (h264(full_range=True), Shows()),
    "4 4 4.mp4": (h264(pixels="yuv444p"), Shows(off=2)),
    "interlaced.mp4": (h264(options=interlaced), Shows()),
    "interlaced.ts": (video("mpeg2video", rate=25, options=interlaced), Shows()),
    "palette.gif": (video("gif", pixels="rgb8"), Shows(off=20)),
    # Time
    "variable rate.mkv": (video(times=milliseconds), Shows()),
    "starts at 100 s.webm": (video(times=[100_000 + 83 * n for n in range(14)]), Shows()),
    "starts at 100 s.mp4": (mpeg4(times=[100_000 + 83 * n for n in range(14)]), Shows()),
    "starts before 0.mkv": (video(times=[83 * n - 600 for n in range(14)]), Shows()),
    "cut by its index.mp4": (
        mpeg4(times=[83 * n - 600 for n in range(14)]),
        Shows(FRAMES[8:]),  # frames before its start are there, but not shown
    ),
    "jumps back.mkv": (mjpeg(times=milliseconds, alter=partial(shown_at, backwards)), Shows()),
    "announces 15 minutes.webm": (duration(b"\x44\x89\x88" + np.array(9e5, ">f8").tobytes()), Shows()),
    "announces 0.1 s.webm": (duration(b"\x44\x89\x88" + np.array(100, ">f8").tobytes()), Shows()),
    "announces nothing.webm": (duration(b"\xec\x89"), Shows()),
    "announces not a number.webm": (duration(b"\x44\x89\x88" + np.array(np.nan, ">f8").tobytes()), Shows()),
    "live.webm": (video(container={"live": "1"}), Shows()),
    "1000 a second.webm": (video(rate=1000), Shows()),
    "header of 1000 a second.webm": (fast, Shows()),
    "one in 20 s.webm": (video(rate=Fraction(1, 20)), Shows()),
    # Containers and streams
    "transport stream.ts": (h264(rate=25), Shows()),
    "raw stream.h264": (h264(), Shows()),
    "raw frames.y4m": (video("wrapped_avframe"), Shows()),
    "fragments.mp4": (h264(container={"movflags": "frag_keyframe+empty_moov"}), Shows()),
    "sound.mp4": (h264(more=lambda file, stream: add_sound(file)), Shows()),
    "cover.mp4": (h264(more=add_cover), Shows()),
    "two videos.mkv": (video(more=add_video), Shows()),
    "subtitles.mkv": (video(more=add_subtitles), Shows()),
    # Names and links
    "link.webm": (linked, Shows()),
    "webm named.mp4": (named("1.webm", video()), Shows()),
    "no suffix": (named("2.webm", video()), Shows()),
    "pattern * [1] a|b.webm": (video(), Shows()),
    " two  spaces .webm": (video(), Shows()),
    "тест 影片 🎬 é.webm": (video(), Shows()),
    "two\nlines\r.webm": (video(), Shows()),
    "-dash.webm": (video(), Shows()),
    "%d %03d.webm": (video(), Shows()),
    "http:colon.webm": (video(), Shows()),
    "quo'te\", comma.webm": (video(), Shows()),
    "n" * 250 + ".webm": (named("n.webm", video()), Shows()),
    os.fsdecode(b"not UTF-8 \xff\xfe.webm"): (named("u.webm", video()), Shows()),
}
