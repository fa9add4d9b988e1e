"""Paths of users, and atomic writing: a file is there whole, or not at all."""

import json
import os

import numpy as np
import pytest
from conftest import open_files

from src.files import (
    PARTIAL,
    atomic_path,
    check_path,
    expand,
    open_arrays,
    plain_name,
    read_json,
    write_json,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand("~/data") == tmp_path / "data" and expand("~") == tmp_path
    assert [str(expand(path)) for path in ("data/~x", "/a/~", "~no-such-user/x")] == [
        "data/~x",
        "/a/~",
        "~no-such-user/x",
    ]


def test_a_file_appears_when_it_is_complete(tmp_path):
    with atomic_path(tmp_path / "scores.npz") as temporary:
        temporary.write_bytes(b"new")
        [name] = names(tmp_path)
        assert name.startswith(PARTIAL) and name.endswith("scores.npz")  # NumPy would add a missing suffix
    assert names(tmp_path) == ["scores.npz"]
    assert (tmp_path / "scores.npz").read_bytes() == b"new"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_keeps_the_old_file_and_leaves_nothing_else(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(type(error)), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise error
    assert names(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_text() == "old"


def test_two_writers_do_not_share_a_temporary_file(tmp_path):
    with atomic_path(tmp_path / "a") as first, atomic_path(tmp_path / "a") as second:
        first.write_text("first")
        second.write_text("second")
        assert first != second
    assert names(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "first"  # the last one to end


def test_text_and_json(tmp_path):
    write_text(tmp_path / "a.txt", "u → caf\udce9")
    assert (tmp_path / "a.txt").read_bytes() == "u → caf".encode() + b"\xe9"
    write_json(tmp_path / "a.json", {"a": [1, 2.5, None]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [1, 2.5, None]}
    assert names(tmp_path) == ["a.json", "a.txt"]


def test_what_is_no_json_is_none(tmp_path):
    path = tmp_path / "a.json"
    assert read_json(path, 100) is None and read_json(tmp_path, 10**6) is None
    for content in ("", "{", "\0", "[" * 99, "9" * 5000, "\udcff"):
        path.write_text(content, errors="surrogateescape")
        assert read_json(path, 10**6) is None
    path.write_text("[" * 10**6 + "]" * 10**6)
    assert read_json(path, 10**9) is None
    path.write_text(json.dumps([1] * 100))
    assert read_json(path, 299) is None and read_json(path, 300) == [1] * 100
    path.unlink()
    os.mkfifo(path)  # opening it would wait forever
    assert read_json(path, 100) is None


@pytest.mark.parametrize("value", [None, "", "None", 5])
def test_what_is_no_path_is_refused(value):
    with pytest.raises(ValueError, match="output must be a path. Received"):
        check_path(value, "output")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("ut_interaction", "ut_interaction"), ("my clips (2)", "my-clips-2"), ("Überfälle", "Überfälle"),
        ("..", "videos"), ("caf\udce9/x", "caf-x"), ("跑步", "跑步"), ("x" * 99, "x" * 30), ("", "videos"),
        ("-a.", "a"),
    ],
)  # fmt: skip
def test_a_plain_name_is_a_name_on_any_system(name, plain):
    assert plain_name(name, 30) == plain


def damage(content, generator):
    """A file that was cut, or has one to three other bytes."""
    content = bytearray(content)
    if generator.random() < 0.2:
        return content[: generator.integers(len(content))]
    for _ in range(generator.integers(1, 4)):
        content[generator.integers(len(content))] = generator.integers(256)
    return content


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_a_damaged_file_are_an_error_that_names_it(save, tmp_path):
    path, generator, refused = tmp_path / "arrays.npz", np.random.default_rng(0), 0
    save(path, numbers=np.arange(200.0), names=np.array(["left", "right"]))
    whole = path.read_bytes()
    with open_arrays(path, "scores", "Remove it.") as arrays:
        np.testing.assert_array_equal(arrays["numbers"], np.arange(200))
    for _ in range(1000):
        path.write_bytes(damage(whole, generator))
        try:
            with open_arrays(path, "scores", "Remove it.") as arrays:
                dict(arrays)
        except ValueError as error:
            refused += 1
            assert str(error).startswith(f"{path}: must hold scores, but cannot be read") and "Remove it." in str(error)
        assert not open_files(tmp_path)
    assert refused > 500


def test_a_missing_array_is_an_error_that_names_the_file(tmp_path):
    np.savez(tmp_path / "arrays.npz", numbers=np.arange(3))
    with (
        pytest.raises(ValueError, match=r"arrays.npz: must hold scores, .*other.* Remove it."),
        open_arrays(tmp_path / "arrays.npz", "scores", "Remove it.") as arrays,
    ):
        arrays["other"]
