import os

import pytest
from conftest import make_subset, prepare, write_good

from src.preprocessing.latest import latest_output


def test_the_latest_output_is_the_folder_that_was_prepared_last(tmp_path):
    with pytest.raises(FileNotFoundError, match="no prepared data set is there. Run preprocess_data"):
        latest_output(tmp_path)
    subset = make_subset(write_good(tmp_path, 1))
    for order, name in enumerate(("a", "c", "b")):
        prepare(subset, tmp_path / name)
        os.utime(tmp_path / name / "manifest.csv", (1e9 + order, 1e9 + order))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "manifest.csv").write_text("path,label\n")
    assert latest_output(tmp_path) == str(tmp_path / "b")
    os.utime(tmp_path / "a" / "manifest.csv", (2e9, 2e9))
    assert latest_output(str(tmp_path)) == str(tmp_path / "a")
