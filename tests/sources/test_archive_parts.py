"""What can be wrong with the parts of an archive, found before reading or while reading."""

import gzip
import random

import pytest
from archives import PARTS, TGZ, VIDEOS, extracted, make_tgz, make_zip, part_name, split, unfinished, write_parts

from src.sample import VIDEO_FOLDER
from src.sources.archive import extract_videos

_, TWO, THREE, FOUR = PARTS
NOISE = random.Random(0).randbytes(len(TWO))
TWO_FILES = make_zip({"a.webm": b"1", "b.webm": b"2"})


def changed(**changes):
    """The four parts with some of them replaced, or left out if None."""
    parts = dict(enumerate(PARTS)) | {int(key[1:]): value for key, value in changes.items()}
    return {part_name(number): content for number, content in parts.items() if content is not None}


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({"notes.txt": b"mine"}, FileNotFoundError, r"no video archive.*found notes\.txt.*Download the parts"),
        (changed(_0=None), FileNotFoundError, r"missing\. Download 20bn-something-something-v2-00\."),
        (changed(_1=None, _2=None), FileNotFoundError, r"Download 20bn\S*v2-01, 20bn-something-something-v2-02\."),
        (changed(_3=None), ValueError, r"v2-02: .*Download again: 20bn\S*-02.*any part after it"),
        (changed(_3=FOUR[:-1000]), ValueError, r"v2-03: .*Download again: 20bn\S*-03, if it is cut short"),
        (changed(_1=TWO[:5000]), ValueError, r"v2-02: .*breaks.*again: 20bn\S*-02, and 20bn\S*-01, which may be cut"),
        (changed(_1=NOISE), ValueError, r"v2-0[12]: .*breaks.*Download again: 20bn"),
        (changed(_3=FOUR[:-8] + b"oops" + FOUR[-4:]), ValueError, r"CRC.*checksum is not that of the source"),
        (changed(_1=THREE, _2=TWO), ValueError, r"breaks.*Download again"),
        (changed(_0=b""), ValueError, r"v2-00: .*1f 8b.*an empty file.*Download it again"),
        (changed(_0=b"version https://git-lfs"), ValueError, r"v2-00: .*1f 8b.*76 65 72 73: a wrong or broken file"),
        (changed(_2=TWO_FILES), ValueError, r"v2-02: a zip must hold one part.*a\.webm, b\.webm"),
        (changed(_2=TWO_FILES[:50]), ValueError, r"v2-02: a zip must hold one part.*cut short"),
        (changed() | {part_name(1, " (1)"): TWO[:-1]}, ValueError, r"v2-01 \(\d.*v2-01 \(1\) \(\d.*same part.*differ"),
        ({"a.tgz": make_tgz({"readme": b"text"}, suffix=".txt")}, ValueError, r"a\.tgz: a tar without videos"),
        ({"a.tgz": gzip.compress(NOISE)}, ValueError, r"a\.tgz: .*breaks"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, files, error, message):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message) as raised:
        extract_videos(tmp_path, VIDEOS.keys() | {"99"})
    assert str(tmp_path) in str(raised.value)
    assert not (tmp_path / VIDEO_FOLDER).exists() or unfinished(tmp_path) == []


@pytest.mark.parametrize("damage", ["content", "begin", "directory"])
def test_a_broken_zip_is_named(tmp_path, damage):
    path = write_parts(tmp_path, generation="zipped") / part_name(0 if damage == "begin" else 1, ".zip")
    content = bytearray(path.read_bytes())
    start = {"begin": 30 + len(part_name(0)), "content": 2000, "directory": len(content)}[damage]
    content[start : start + 100] = bytes(len(content[start : start + 100]))
    path.write_bytes(content[:-10] if damage == "directory" else content)
    with pytest.raises(ValueError, match=r"v2-0[01]\.zip: .*ownload"):
        extract_videos(tmp_path, VIDEOS)


def test_repeated_parts_count_once(tmp_path):
    write_parts(write_parts(tmp_path), PARTS[:3], "zipped")
    (tmp_path / part_name(3, " (1)")).write_bytes(FOUR)
    with pytest.warns(UserWarning) as record:
        extract_videos(tmp_path, VIDEOS)
    assert len(record) == 1 and "4 files in" in str(record[0].message) and record[0].filename == __file__
    assert extracted(tmp_path) == VIDEOS


@pytest.mark.filterwarnings("error::UserWarning")
def test_parts_may_end_anywhere_and_generations_may_be_mixed(tmp_path):
    """Inside gzip's header and checksum; a part of one byte."""
    borders = [0, 2, 11, 70_000, len(TGZ) - 5, len(TGZ) - 1, len(TGZ)]
    parts = [TGZ[start:end] for start, end in zip(borders, borders[1:], strict=False)]
    write_parts(tmp_path, parts)
    (tmp_path / part_name(1)).unlink()
    (tmp_path / part_name(1, "(2).zip")).write_bytes(make_zip({"part": parts[1], "__MACOSX/x": b"x"}))
    (tmp_path / part_name(0, ".md5")).write_text("not a part")
    extract_videos(tmp_path, VIDEOS)
    assert extracted(tmp_path) == VIDEOS


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("generation", ["raw", "zipped", "misnamed"])
@pytest.mark.filterwarnings("error::UserWarning")
def test_all_generations(tmp_path, generation, count):
    write_parts(tmp_path, split(TGZ, count), generation)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    paths = extract_videos(tmp_path, VIDEOS)
    assert extracted(tmp_path) == VIDEOS and unfinished(tmp_path) == []
    assert paths == {video_id: str(tmp_path / VIDEO_FOLDER / f"{video_id}.webm") for video_id in VIDEOS}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
