import os
import warnings
from pathlib import Path

import pytest
from source_folders import only_warning, rows, touch, write_csv

from src.sources.csv_table import read_csv
from src.sources.video_table import COLUMNS

pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def read(path, **options):
    return read_csv(path, **options).table


def test_path_and_label_are_enough(tmp_path):
    csv = write_csv(tmp_path / "clips.csv", "path,label\nv/b.mp4,walk\nv/a.mp4,run\n", ["v/a.mp4", "v/b.mp4"])
    table = read(csv)
    assert list(table.columns) == COLUMNS
    assert rows(table, "video_id", "label", "class_index", "split", "group") == [
        ("v__a.mp4", "run", 0, "", "v__a"),
        ("v__b.mp4", "walk", 1, "", "v__b"),
    ]
    assert all(Path(path).is_file() for path in table.path)
    assert table[["start", "end", "rate"]].isna().all(axis=None)


def test_a_column_objects_is_kept(tmp_path):
    text = "path,label,objects\nb.mp4,walk,red cup; table\na.mp4,run,\nb.mp4,walk,vase\n"
    csv = write_csv(tmp_path / "clips.csv", text, ["a.mp4", "b.mp4"])
    with pytest.warns(UserWarning, match="1 repeated row"):
        table = read(csv)
    assert list(table.columns) == [*COLUMNS, "objects"]
    assert rows(table, "video_id", "objects") == [("a.mp4", ""), ("b.mp4", "red cup; table")]


def test_paths_are_absolute_relative_to_the_csv_or_in_the_home(tmp_path, monkeypatch):
    touch(tmp_path / "elsewhere/b.mp4", tmp_path / "home/c.mp4")
    text = f"path,label\na.mp4,x\n{tmp_path}/elsewhere/b.mp4,y\n~/c.mp4,z\n"
    write_csv(tmp_path / "data/clips.csv", text, ["a.mp4"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    table = read("data/clips.csv")
    assert table.path.tolist() == [
        str(Path("data/a.mp4")),
        str(tmp_path / "elsewhere/b.mp4"),
        str(tmp_path / "home/c.mp4"),
    ]
    assert table.video_id.str.replace("-[0-9a-f]{10}$", "", regex=True).tolist() == [
        "a.mp4",
        "elsewhere__b.mp4",
        "home__c.mp4",
    ]


def test_all_columns_with_bom_and_whitespace(tmp_path):
    text = (
        "\ufeff path , label ,split,group,note\n a.mp4 , run , Train ,g 1,x\nb.mp4,run,val,g2,\n\n , ,,,\n"
        'c.mp4,"walk, slowly",dev,,\nd.mp4,run,Testing,007,\n'
    )
    table = read(write_csv(tmp_path / "c.csv", text, [f"{name}.mp4" for name in "abcd"]))
    assert rows(table, "video_id", "label", "split", "group") == [
        ("a.mp4", "run", "train", "g 1"),
        ("b.mp4", "run", "validation", "g2"),
        ("d.mp4", "run", "test", "007"),
        ("c.mp4", "walk, slowly", "validation", "c"),
    ]


def test_names_stay_text(tmp_path):
    names = ["01", "1", "1.0", "NA", "None", "nan", "True", "1e5", "-", "$x$", "跳", "two\nlines", 'a "b"', "_c", "a,b"]
    lines = [f'{index}.mp4,"{name}","{name}"\n' for index, name in enumerate(name.replace('"', '""') for name in names)]
    csv = write_csv(tmp_path / "c.csv", "path,label,group\n" + "".join(lines), [f"{i}.mp4" for i in range(len(names))])
    table = read(csv)
    assert table.label.tolist() == table.group.tolist() == sorted(names)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_encodings_that_say_what_they_are(tmp_path, encoding, ending):
    touch(tmp_path / "a.mp4", tmp_path / "b.mp4")
    (tmp_path / "c.csv").write_bytes("path,label\na.mp4,café\nb.mp4,x\n".replace("\n", ending).encode(encoding))
    assert read(tmp_path / "c.csv").label.tolist() == ["café", "x"]


def test_an_id_depends_on_its_own_path_alone(tmp_path):
    names = ["a/1.mp4", "b/1.mp4", "../up.mp4"]
    text = "path,label\n" + "".join(f"{name},x\n" for name in names)
    before = read(write_csv(tmp_path / "d/c.csv", text, names)).set_index("path").video_id.to_dict()
    assert before[str(tmp_path / "d/a/1.mp4")] == "a__1.mp4"
    more = ["../b/1.mp4", "up.mp4", "b/2.mp4", "a__1.mp4", "1.mp4"]
    text += "".join(f"./{name},y\n" for name in more)
    after = read(write_csv(tmp_path / "d/more.csv", text, more)).set_index("path").video_id
    assert before.items() <= after.to_dict().items() and after.is_unique
    given = write_csv(tmp_path / "d/given.csv", "path,label,video_id\na/1.mp4,x,00017\n")
    assert read(given).video_id.tolist() == ["00017"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,class\na.mp4,x\n", r"c\.csv: the first line must be path,label.*path,class"),
        ("", r"c\.csv: not a CSV"),
        ("path,label\na.mp4,caf\udce9\n", r"c\.csv: not a CSV in UTF-8: line 2 .*0xe9.*cp1252.*café.*iconv"),
        ("path;label\na.mp4;x\n", r"c\.csv: .*separated by commas. Found semicolons"),
        ("path\tlabel\na.mp4\tx\n", r"c\.csv: .*separated by commas. Found tabs"),
        ("path,label\na.mp4,\0x\n", r"c\.csv: .*byte 17 is NUL.*binary"),
        ("p\0a\0t\0h\0,\0l\0", r"c\.csv: .*NUL.*UTF-16 without its mark"),
        ("path,label, path\na.mp4,x,y\n", r"c\.csv: each column .*twice: path"),
        ("path,label\n", r"c\.csv: no video is listed"),
        ("path,label\na.mp4,x\nb.mp4,x,y\n", r"c\.csv: .*line 3"),
        ("path,label\na.mp4,walk, slowly\n", r"c\.csv: line 2 has more values"),
        ("path,label\na.mp4,x\n,x\nb.mp4,\n", r"c\.csv: path and label.*2 break.*line 3 .*line 4"),
        ("path,label,split\na.mp4,x,train\nb.mp4,x,tset\n", r"c\.csv: split must be one of train, .*line 3.*tset"),
        ("path,label,split\na.mp4,x,train\nb.mp4,x,\n", r"c\.csv: either all rows have a split.*line 3"),
        ("path,label,split,group\na.mp4,x,train,g\nb.mp4,x,test,g\n", r"c\.csv: all clips of a group.*g\."),
        ("path,label,video_id\na.mp4,x,u/v\n", r"c\.csv: .*folder name.*'u/v'"),
        ("path,label,video_id\na.mp4,x,..\n", r"c\.csv: .*folder name.*'\.\.'"),
        ("path,label,video_id\na.mp4,x,\n", r"c\.csv: .*folder name.*''"),
        (f"path,label,video_id\na.mp4,x,{'x' * 256}\n", r"c\.csv: .*folder name.*1 to 255 bytes"),
        (
            "path,label,video_id\na.mp4,x,1\nb.mp4,y,1\n",
            r"c\.csv: video_id '1' is listed .*path a\.mp4, b\.mp4; label x, y",
        ),
        ("path,label\na.mp4,x\nsub/../a.mp4,y\n", r"c\.csv: .*a\.mp4' is listed with different.*label x, y"),
        ("path,label,split\na.mp4,x,train\na.mp4,x,test\n", r"c\.csv: .*a\.mp4' is listed with.*split train, test"),
        ("path,label\na.mp4,x\nlink.mp4,y\n", r"c\.csv: .*a\.mp4' is listed with different.*label x, y"),
        ("path,label,start,end\na.mp4,x,2,1\n", r"c\.csv: start and end.*line 2 \(2, 1\)"),
        ("path,label,start\na.mp4,x,-1\n", r"c\.csv: start and end.*line 2 \(-1, \)"),
        ("path,label,start\na.mp4,x,0:30\n", r"c\.csv: start and end.*line 2 \(0:30, \)"),
        ("path,label,end\na.mp4,x,inf\n", r"c\.csv: start and end.*line 2"),
        ("path,label,end\na.mp4,x,0\n", r"c\.csv: start and end.*line 2"),
        (
            "path,label,split,end\na.mp4,x,train,1\na.mp4,x,test,2\n",
            r"c\.csv: all clips of a file,.* in one split",
        ),
        ("path,label,group\na.mp4,x,g\na.avi,x,\n", r"c\.csv: all clips .* transcoded copy, must be in one group.*'a'"),
        ("path,label,group,end\na.mp4,x,g,1\na.mp4,x,h,2\n", r"c\.csv: all clips of a file, .* must be in one group"),
    ],
)
def test_errors_name_the_file_and_the_line(tmp_path, text, message):
    csv = write_csv(tmp_path / "c.csv", text, ["a.mp4", "a.avi", "b.mp4", "sub/c.mp4"])
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    with warnings.catch_warnings(action="ignore"), pytest.raises(ValueError, match=message):
        read(csv)


def test_the_header_and_empty_values_may_be_written_in_many_ways(tmp_path):
    header = "\n# my clips\n\nPath, LABEL ,Split,\n"
    text = f"{header}a.mp4,x,Training\n\n# later\nb.mp4,y,eval,\nPath,LABEL,Split\nsub/c.mp4,y,test_01,,\n,,\n"
    csv = write_csv(tmp_path / "c.csv", text, ["a.mp4", "b.mp4", "sub/c.mp4"])
    assert rows(read(csv), "video_id", "split") == [
        ("a.mp4", "train"), ("b.mp4", "validation"), ("sub__c.mp4", "test")
    ]  # fmt: skip


def test_columns_that_are_not_read_are_named(tmp_path):
    csv = write_csv(tmp_path / "c.csv", "path,label,subset,start_time\na.mp4,x,train,3\n", ["a.mp4"])
    assert read_csv(csv).left_aside == ["2 columns not read: subset, start_time"]


def test_a_repeated_file_counts_once(tmp_path):
    text = "path,label\nlink.mp4,x\na.mp4,x\nsub/../a.mp4,x\nhard.mp4,x\nb.mp4,x\nb.mp4,x\n"
    csv = write_csv(tmp_path / "c.csv", text, ["a.mp4", "b.mp4", "sub/c.mp4"])
    (tmp_path / "link.mp4").symlink_to("a.mp4")
    os.link(tmp_path / "a.mp4", tmp_path / "hard.mp4")
    with pytest.warns(UserWarning) as record:
        table = read(csv)
    assert "4 repeated rows" in only_warning(record)
    assert table.video_id.tolist() == ["a.mp4", "b.mp4"]


def test_absent_videos_and_their_classes_are_left_out_and_counted(tmp_path):
    csv = write_csv(tmp_path / "c.csv", "path,label\na.mp4,x\ngone.mp4,y\n", ["a.mp4"])
    with pytest.warns(UserWarning) as record:
        table = read(csv)
    absent, empty = (str(item.message) for item in record)
    assert "1 of 2 videos" in absent and "gone.mp4" in absent and "1 class of" in empty
    assert rows(table, "video_id", "label", "class_index") == [("a.mp4", "x", 0)]
    (tmp_path / "a.mp4").unlink()
    with pytest.raises(FileNotFoundError, match="2 of 2 videos.*a.mp4"):
        read(csv)


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ("v/A.MP4", r"other letter case, such as 'v/A\.MP4' \(the file is 'a\.mp4'\)"),
        ("v/a", r"lacks the suffix.* \(the file is 'a\.mp4'\)"),
        ("v/a.avi", r"or has another.* \(the file is 'a\.mp4'\)"),
        ("v/a .mp4", r"has other spaces"),
        ("a.mp4", r"in another folder, but the name exists below the CSV's folder.*write 'v/a\.mp4'"),
        ("/data/me/a.mp4", r"another machine, but the name exists.*write 'v/a\.mp4'"),
        (r"C:\clips\a.mp4", r"another machine, but the name exists.*write 'v/a\.mp4'"),
        (r"C:\clips\none.mp4", r"absolute path that does not exist here"),
        ("v", r"is a folder, but not one of at least two \.jpg or \.png"),
        ("loop.mp4", r"link to nothing"),
        ("none.mp4", r"does not exist"),
    ],
)
def test_the_reason_why_a_file_is_not_found(tmp_path, listed, reason):
    csv = write_csv(tmp_path / "c.csv", f"path,label\n{listed},x\n", ["v/a.mp4"])
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    with pytest.raises(FileNotFoundError, match=reason):
        read(csv)


@pytest.mark.parametrize(
    ("listed", "change"),
    [(r"v\sub\a.mp4", "backslashes"), ("v/sub/gehe\u0301n.mp4", "another Unicode form")],
)
def test_other_spellings_are_found_and_told(tmp_path, listed, change):
    csv = write_csv(tmp_path / "c.csv", f"path,label\n{listed},x\n", ["v/sub/a.mp4", "v/sub/geh\u00e9n.mp4"])
    with pytest.warns(UserWarning, match=f"1 path .*{change}"):
        table = read(csv)
    assert Path(table.path[0]).is_file()


def test_names_with_spaces_around_and_backslashes_are_found(tmp_path):
    names = [" a.mp4", "b.mp4 ", "c\\d.mp4"]
    csv = write_csv(tmp_path / "c.csv", "path,label\n" + "".join(f'"{name}",x\n' for name in names), names)
    assert {Path(path).name for path in read(csv).path} == set(names)


def test_two_unicode_forms_of_a_label_are_one_class(tmp_path):
    csv = write_csv(tmp_path / "c.csv", "path,label\na.mp4,é\nb.mp4,e\u0301\na.mp4,e\u0301\n", ["a.mp4", "b.mp4"])
    with pytest.warns(UserWarning) as record:
        table = read(csv)
    assert "1 class name in" in str(record[0].message) and "1 repeated row in" in str(record[1].message)
    assert rows(table, "label") == [("é",), ("é",)]


def test_folders_of_images(tmp_path):
    names = [f"{label}/v{video}" for label in ("run", "walk") for video in (0, 1)]
    touch(*(tmp_path / name / f"img_{index:05d}.jpg" for name in names for index in range(3)))
    csv = write_csv(tmp_path / "list.csv", "path,label\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in names))
    table = read(csv, frame_rate=12.5)
    assert table.video_id.tolist() == ["run__v0", "run__v1", "walk__v0", "walk__v1"]
    assert table.rate.tolist() == [12.5] * 4 and all(Path(path).is_dir() for path in table.path)


def test_parts_of_a_long_video(tmp_path):
    text = "path,label,start,end\nlong.mp4,run,3.5,7.25\nlong.mp4,walk,8,\nlong.mp4,run,,2\nb.mp4,walk,0,\n"
    table = read(write_csv(tmp_path / "c.csv", text, ["long.mp4", "b.mp4"]))
    assert table.set_index("video_id")[["start", "end"]].fillna(-1).T.to_dict("list") == {
        "long.mp4__0-2": [-1, 2],
        "long.mp4__3.5-7.25": [3.5, 7.25],
        "b.mp4": [-1, -1],
        "long.mp4__8-end": [8, -1],
    }
    assert set(table.group) == {"b", "long"}


def test_overlapping_parts_with_different_labels_are_named(tmp_path):
    text = "path,label,start,end\nl.mp4,run,0,4\nl.mp4,walk,3,5\nl.mp4,run,3.5,6\nl.mp4,walk,6,7\nb.mp4,walk,,\n"
    with pytest.warns(UserWarning) as record:
        read(write_csv(tmp_path / "c.csv", text, ["l.mp4", "b.mp4"]))
    assert "2 clips" in only_warning(record) and "l.mp4 at 3 s, l.mp4 at 3.5 s" in only_warning(record)


def test_groups_come_from_the_column_the_pattern_or_the_names(tmp_path):
    names = [f"v_run_g{g:02d}_c{c:02d}.avi" for g in (1, 2) for c in (1, 2)]
    lines = [f"{name},{label}" for name, label in zip(names, "xyxy", strict=True)]
    plain = write_csv(tmp_path / "plain.csv", "path,label\n" + "\n".join(lines), names)
    assert set(read(plain).group) == {"v_run_g01", "v_run_g02"}
    assert set(read(plain, group_pattern=r"_(c\d+)").group) == {"c01", "c02"}
    given = write_csv(tmp_path / "given.csv", "path,label,group\n" + "\n".join(f"{line},me" for line in lines))
    assert set(read(given).group) == {"me"} and "column group" in read_csv(given).groups


def test_a_transcoded_copy_in_another_split_is_refused(tmp_path):
    csv = write_csv(tmp_path / "c.csv", "path,label,split\na.avi,x,train\na.mp4,x,test\n", ["a.avi", "a.mp4"])
    with pytest.warns(UserWarning, match="only in the suffix"), pytest.raises(ValueError, match="transcoded copy.*'a'"):
        read(csv)
