import errno
import warnings
from collections import Counter, namedtuple

import numpy as np
import pytest
from conftest import TINY_CONFIG, make_subset, prepare, write_good

from src.config import ClipConfig
from src.preprocessing import preprocess, tasks
from src.preprocessing.plan import PROBE, Plan, choose_extraction, plan_preprocessing
from src.preprocessing.tasks import FILE_BLOCK, Outcome, Task, extract_on_cores
from src.store import ClipStore, read_digest, read_prepared, read_subset

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """(video_id, path) of nine videos. Do not write to them."""
    return write_good(tmp_path_factory.mktemp("videos"), 9)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "prepared"


@pytest.fixture
def probed(monkeypatch):
    """The ids of the measured clips. None is computed: each takes half a second and ten blocks."""
    seen = []

    def measure(task, store, watchdog, write):
        assert not write
        seen.append(task.video_id)
        return Outcome(task.video_id, None, Counter(decode=0.25, flow=0.25), 10 * FILE_BLOCK)

    monkeypatch.setattr(tasks, "extract_task", measure)
    return seen


def make_plan(videos, root, config=TINY_CONFIG, workers=1):
    return plan_preprocessing(make_subset(videos), root, config, workers)


def make_fakes(folder, count):
    """(video_id, path) of files that are not videos."""
    folder.mkdir()
    for n in range(count):
        (folder / f"{n}.webm").write_bytes(b"%d" % n)
    return [(str(n), folder / f"{n}.webm") for n in range(count)]


def list_files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def make_measured(tasks=100, workers=4, seconds=3.0, num_bytes=1e6, free=10**9):
    """A plan with measured costs."""
    subset = make_subset([(str(n), "a.webm") for n in range(tasks + 20)])
    tasks = [Task(str(n), "a.webm", "d", f"{n}-d") for n in range(tasks)]
    store, probe = ClipStore("datasets/x", TINY_CONFIG), [Outcome("", None, Counter(flow=seconds), num_bytes)] * 8
    return Plan(subset, store, tasks, workers, None, 600, extract_on_cores, probe, free)


# Missing clips


def test_in_a_new_folder_all_clips_are_missing(videos, root):
    found = make_plan(videos, root)
    assert [(task.video_id, task.path) for task in found.tasks] == [(name, str(path)) for name, path in videos]
    assert [task.digest for task in found.tasks] == [read_digest(path) for _, path in videos]
    assert found.subset.clip_name.tolist() == [task.clip for task in found.tasks]
    assert (found.workers, len(found.probe)) == (1, 2)
    assert found.store.config == TINY_CONFIG and found.store.root == root


def test_stored_clips_are_not_missing(videos, root):
    prepare(make_subset(videos[:4]), root)
    found = make_plan(videos, root)
    assert [task.video_id for task in found.tasks] == [name for name, _ in videos[4:]]
    assert found.table()["plan"][["clips wanted", "already there", "to do"]].tolist() == ["9", "4", "5"]
    other = make_plan(videos, root, ClipConfig(short_side=32, num_segments=2, flow_length=3))
    assert len(other.tasks) == 9


# The probe


def test_the_probe_measures_what_clips_take_on_disk(videos, root):
    found = make_plan(videos, root)
    assert found.seconds > 0
    store = ClipStore(root, TINY_CONFIG)
    prepare(make_subset(videos), root)
    sizes = [path.stat().st_size for path in store.folder.rglob("*") if path.is_file() and path.name != "config.json"]
    blocks = sum(-(-size // FILE_BLOCK) for size in sizes) + len(videos)  # one block per folder
    assert found.num_bytes == pytest.approx(blocks * FILE_BLOCK, rel=0.15)
    used = 512 * sum(path.stat().st_blocks for path in store.folder.rglob("*"))
    assert found.num_bytes >= 0.85 * used


@pytest.mark.parametrize("workers", [1, 2])
def test_planning_writes_nothing_but_digests_and_the_stamp(videos, root, workers):
    make_plan(videos, root, workers=workers)
    assert list_files(root) == {"digests.json", "two-stream.json"}
    assert ClipStore(root, TINY_CONFIG).list_staging() == []
    with pytest.raises(FileNotFoundError):  # the plan does not prepare the folder
        ClipStore(root)


@pytest.mark.parametrize("tasks, probe", [(3, 0), (4, 1), (15, 3), (32, 8), (100, 8)])
def test_at_most_a_quarter_of_the_clips_is_measured(root, tmp_path, probed, tasks, probe):
    found = make_plan(make_fakes(tmp_path / "fakes", tasks), root)
    assert len(set(probed)) == len(probed) == len(found.probe) == probe <= PROBE


def test_the_measured_clips_do_not_depend_on_the_order(root, tmp_path, probed):
    videos = make_fakes(tmp_path / "fakes", 40)
    make_plan(videos, root)
    first = sorted(probed)
    probed.clear()
    make_plan(videos[::-1], root)
    assert sorted(probed) == first != sorted(name for name, _ in videos[:8])


def test_failed_videos_are_not_part_of_the_estimate(videos, root, tmp_path):
    bad = make_fakes(tmp_path / "fakes", 12)
    found = make_plan([*videos, *bad], root)
    assert 0 < len(found.probe) < 21 // 4 and found.num_bytes > 21 * FILE_BLOCK
    found = make_plan(bad, root)
    assert (len(found.tasks), found.probe) == (12, []) and np.isnan([found.seconds, found.num_bytes]).all()
    found.check_space()


def test_without_missing_clips_nothing_is_measured(videos, root, monkeypatch):
    prepare(make_subset(videos[:4]), root)
    monkeypatch.setattr(tasks, "run_tasks", lambda function, tasks, *_: 1 / 0 if tasks else ())
    found = make_plan(videos[:4], root)
    assert (found.tasks, found.probe, found.seconds, found.num_bytes) == ([], [], 0, 0)
    assert found.table()["plan"][["to do", "time", "to be written"]].tolist() == ["0", "nothing", "nothing"]


# The table


def test_the_table():
    table = make_measured(tasks=12_000, workers=4, seconds=3.0, num_bytes=100_000, free=70 * 10**9).table()
    assert table["plan"].to_dict() == {
        "clips wanted": "12,020",
        "already there": "20",
        "to do": "12,000",
        "time": "2 h 30 min with 4 workers, measured on 8 clips",
        "to be written": "1.2 GB on disk, in blocks of 4 KB",
        "free": "70 GB on the disk of datasets/x",
        "parameters": TINY_CONFIG.key,
    }


def test_the_table_without_a_measurement(root, tmp_path):
    found = make_plan(make_fakes(tmp_path / "fakes", 2), root)
    assert np.isnan(found.seconds) and not found.table()["plan"].str.contains("nan").any()
    assert "not measured" in found.table()["plan"]["time"] and "not measured" in found.table()["plan"]["to be written"]


# Space


def test_too_little_space_is_refused():
    make_measured(tasks=100, num_bytes=1e8, free=10**10).check_space()
    with pytest.raises(OSError) as error:
        make_measured(tasks=100, num_bytes=1.2e8, free=10**10).check_space()
    assert error.value.errno == errno.ENOSPC and error.value.filename == "datasets/x"
    assert "the 100 clips to do need about 12 GB, but 10 GB are free. Nothing was started" in str(error.value)
    assert "Free some space" in str(error.value)


def test_on_a_small_disk_nothing_is_started(videos, root, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("src.preprocessing.plan.shutil.disk_usage", lambda path: Usage(10**9, 10**9 - 40_000, 40_000))
        with pytest.raises(OSError, match="Nothing was started"):
            prepare(make_subset(videos), root)
    assert list_files(root) == {"digests.json", "two-stream.json"}
    assert prepare(make_subset(videos), root).computed == 9


def test_free_space_is_that_of_the_disk_of_the_new_folder(videos, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("src.preprocessing.plan.shutil.disk_usage", lambda path: asked.append(path) or Usage(9, 2, 7))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for root in (tmp_path / "new" / "prepared", "new/prepared", "~/new/prepared"):
        assert make_plan(videos[:2], root).free_bytes == 7
    assert [path.absolute() for path in asked] == [tmp_path / "new" / "prepared"] * 3


# What is not ours


@pytest.mark.parametrize(
    "name",
    ["manifest.csv", "config.json", "failures.csv", "digests.json", "clips/a.avi", "incomplete/a", "a", "subsets/x"],
)
def test_an_output_that_holds_files_of_the_users_is_refused_unchanged(videos, root, name):
    (root / name).parent.mkdir(parents=True)
    (root / name).write_text("path,label\n")
    with pytest.raises(ValueError, match=f"Found: '{name.split('/')[0]}'. Nothing was written"):
        make_plan(videos, root)
    assert list_files(root) == {name} and (root / name).read_text() == "path,label\n"


@pytest.mark.parametrize("name", ["manifest.csv", "config.json", "failures.csv", "digests.json"])
def test_a_file_that_the_user_put_into_the_output_later_is_kept(videos, root, name):
    prepare(make_subset(videos[:1]), root)
    (root / name).write_text('{"mine": 1}')
    if name == "digests.json":  # not needed, so it gives its place
        with pytest.warns(UserWarning, match="digests.json is not what this project writes. It was kept as digests-"):
            make_plan(videos, root)
        assert [path.read_text() for path in root.glob("digests-*.json")] == ['{"mine": 1}']
        return
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    with pytest.raises(ValueError, match=rf"{name}: .*it was not written over. Move it"):
        make_plan(videos, root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


@pytest.mark.parametrize("name", ["manifest.csv", "config.json", "failures.csv"])
def test_a_link_or_folder_of_the_users_in_place_of_a_record_is_kept(videos, root, name):
    for make in (lambda path: path.symlink_to("nowhere"), lambda path: path.mkdir()):
        prepare(make_subset(videos[:1]), root)
        (root / name).unlink()
        make(root / name)
        with pytest.raises(ValueError, match=rf"{name}: .*it was not written over. Move it"):
            make_plan(videos, root)
        (root / name).unlink() if (root / name).is_symlink() else (root / name).rmdir()


def test_output_of_an_older_version_is_continued(videos, root):
    prepare(make_subset(videos[:2]), root)
    (root / "two-stream.json").unlink()
    (root / "my notes.txt").touch()
    assert len(make_plan(videos, root).tasks) == 7 and (root / "two-stream.json").exists()


# Parts of videos


def test_an_output_that_cannot_be_made_is_named(videos, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for root in (tmp_path / "file/prepared", tmp_path / "link"):
        with pytest.raises(OSError, match=f"cannot be made, or written to .* Choose another output: '{root}'"):
            plan_preprocessing(make_subset(videos), root, TINY_CONFIG, 1)


def test_videos_that_changed_since_the_subset_was_recorded_are_named(root, tmp_path):
    videos = write_good(tmp_path, 3)
    subset = make_subset(videos)
    name = prepare(subset, root).subset
    videos[0][1].write_bytes(videos[0][1].read_bytes() + b"changed")
    videos[1][1].unlink()
    with pytest.warns(UserWarning, match=r"Replaced, or no longer readable, .* \(2\): .*good 0.webm, .*1.webm"):
        plan = plan_preprocessing(read_subset(root, name), root, TINY_CONFIG, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # not twice
        assert preprocess(plan).failures.video_id.tolist() == ["good_1"]
    assert read_prepared(root, name)[0].stored.all()


def test_parts_of_a_video_are_clips_of_their_own(videos, root):
    path = videos[0][1]
    subset = make_subset([(f"part {n}", path) for n in range(3)]).assign(group="video", label="one", class_index=0)
    subset = subset.assign(start=[np.nan, 0.0, 0.5], end=[np.nan, 0.5, np.nan])
    with pytest.warns(UserWarning, match="Same bytes twice in one class and split; they count twice .2."):
        found = plan_preprocessing(subset, root, TINY_CONFIG, 1)
    assert [(task.start, task.end) for task in found.tasks[1:]] == [
        (0.0, 0.5),
        (0.5, pytest.approx(np.nan, nan_ok=True)),
    ]
    assert found.tasks[0].clip == f"part 0-{read_digest(path)}"
    assert len({task.clip.rpartition("-")[2] for task in found.tasks}) == 3


@pytest.mark.parametrize("accelerator", ["False", "None", None, 2])
def test_the_accelerator_is_not_used_by_mistake(accelerator):
    assert choose_extraction(False) is extract_on_cores
    with pytest.raises(ValueError, match="accelerator must be True or False"):
        choose_extraction(accelerator)
