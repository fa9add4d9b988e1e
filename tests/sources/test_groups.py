from pathlib import PurePath

import pandas as pd
import pytest

from src.sources.groups import find_groups, separate_splits


def groups_of(names, labels=None, **options):
    paths = [PurePath(name) for name in names]
    return find_groups(paths, labels or [path.parent.name for path in paths], **options)


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (("a/v_a_g01_c01.avi", "a/v_a_g02_c01.avi"), ("v_a_g01", "v_a_g02")),
        (
            ("brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi", "sit/April_09_sit_f_cm_np2_fr_med_1.avi",
             "sit/Pirates_5_sit_h_nm_np1_le_bad_12.avi"),
            ("April_09", "April_09", "Pirates_5"),
        ),
        (("a/person01_boxing_d1_uncomp.avi", "a/person25_boxing_d4.avi"), ("person01", "person25")),
        (("a/daria_walk.avi", "a/lena_run1.avi"), ("daria", "lena")),
        (("a/v_shooting_01_01.mpg", "a/v_shooting_01_02.mpg", "a/v_shooting_02_01.mpg"),
         ("v_shooting_01", "v_shooting_01", "v_shooting_02")),
        (("a/S001C001P001R001A001_rgb.avi", "a/S001C002P003R002A050_rgb.avi"), ("P001", "P003")),
        (("a/-3B32lodo2M_000059_000069.mp4", "a/_fQ00fTk1pw_000001_000011.mp4"), ("-3B32lodo2M", "_fQ00fTk1pw")),
        (("a/a01_s01_e01_rgb.avi", "a/a01_s02_e01_rgb.avi"), ("s01", "s02")),
        (("a/v_a_g01_c01", "a/v_a_g02_c01"), ("v_a_g01", "v_a_g02")),  # folders of images
    ],
)  # fmt: skip
def test_names_of_well_known_data_sets(names, groups):
    found = groups_of(names)
    assert tuple(found.groups) == groups
    assert found.how.startswith(f"{len(set(groups))}, by the names of ") and min(groups) in found.how


def test_other_names_give_no_group_and_say_what_it_risks():
    found = groups_of(["run/a.mp4", "run/b_01.mp4", "walk/c.mp4"])
    assert found.groups == [""] * 3
    assert "each of the 3 videos is its own group" in found.how and "group_pattern" in found.how


def test_a_few_other_names_are_groups_of_their_own():
    found = groups_of([*(f"a/v_a_g0{g}_c0{c}.avi" for g in (1, 2) for c in (1, 2, 3)), "a/mine.mp4"])
    assert found.groups[-1] == "" and len(set(found.groups)) == 3 and "1 videos without such a name" in found.how


def test_a_folder_between_class_and_video_is_a_group():
    names = ["run/p1/1.mp4", "run/p1/2.mp4", "run/p2/3.mp4", "walk/p1/4.mp4", "walk/p2/5.mp4", "walk/6.mp4"]
    within = [PurePath(name).parts[1:-1] for name in names]
    found = groups_of(names, [name.split("/")[0] for name in names], within=within)
    assert found.groups == ["p1", "p1", "p2", "p1", "p2", ""] and "folders" in found.how
    alone = [f"run/{index}/v.mp4" for index in range(3)]  # a folder per video ties nothing
    within = [PurePath(name).parts[1:-1] for name in alone]
    assert groups_of(alone, ["run"] * 3, within=within).groups == ["", "", ""]


def test_a_rule_that_ties_whole_classes_is_not_used():
    found = groups_of([f"{name}/person0{n}_{c}.avi" for n, name in enumerate("ab") for c in range(3)])
    assert set(found.groups) == {""} and "Not by KTH" in found.how


def test_the_pattern_of_the_user():
    names = ["run/cam1-a.mp4", "run/cam1-b.mp4", "walk/cam2-a.mp4", "walk/x.mp4"]
    assert groups_of(names, pattern=r"cam\d").groups == ["cam1", "cam1", "cam2", ""]
    assert groups_of(names, pattern=r"cam(\d)-").groups == ["1", "1", "2", ""]
    assert groups_of(names, pattern=r"^[^/]+").groups == ["run", "run", "walk", "walk"]
    with pytest.raises(ValueError, match=r"group_pattern must match paths.*'run/cam1-a\.mp4'.*none of 4"):
        groups_of(names, pattern="scene")
    for wrong in ("(", 3):
        with pytest.raises(ValueError, match="group_pattern must be a regular expression"):
            groups_of(names, pattern=wrong)


def test_recognised_groups_do_not_cross_splits():
    table = pd.DataFrame({"group": ["g", "g", "h"], "split": ["train", "test", "test"]})
    assert "1 groups are in two splits" in separate_splits(table)
    assert table.group.tolist() == ["g (train)", "g (test)", "h"]
    assert separate_splits(table) == ""
