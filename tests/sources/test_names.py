from pathlib import PurePath

from src.sources.names import counted, few, make_id, name_splits, printable


def test_ids_are_the_joined_path():
    assert make_id(PurePath("run/a.mp4")) == "run__a.mp4"
    assert make_id(PurePath("run/a.mp4"), "3.5-7.25") == "run__a.mp4__3.5-7.25"
    assert make_id(PurePath("跳/gehén 1.mp4")) == "跳__gehén 1.mp4"


def test_paths_that_joining_would_mix_have_different_ids():
    names = [
        "a/b__c.mp4",
        "a__b/c.mp4",
        "a/b/c.mp4",
        "a_/b",
        "a/_b",
        "x/a?b",
        "x/a*b",
        "x/a:b",
        "x/a\nb",
        "x/a b",
        "x/ab",
    ]
    names += [
        "x/a\udce9",
        "x/a\udce8",
        "x/e\u0301",
        "x/\u00e9",
        "x/a.",
        "x/a",
        "x/ ",
        "x/...",
        "../x/a",
        "/x/a",
        "/y/x/a",
    ]
    names += [f"x/{'a' * 240}{n}" for n in range(3)] + [f"x/{n}{'a' * 240}" for n in range(3)]
    ids = [make_id(PurePath(name)) for name in names]
    assert len(set(ids)) == len(names)
    for name in ids:
        assert 0 < len(name.encode()) <= 131 and name.strip(". ") == name and not set(name) & set('<>:"|?*/\\\n')


def test_printable_text_has_no_lone_surrogate_and_is_one_line():
    assert printable("caf\udce9 \n\t\x00 é 跳 \ud800") == r"caf\xe9 \n\t\x00 é 跳 \ud800"
    printable("".join(map(chr, range(0x11000)))).encode()
    assert few(["a", "b"]) == "a, b" and few("abcd") == "a, b, c, ..."
    assert len(few(["x" * 5000])) < 100


def test_names_of_splits():
    assert name_splits(["Train Set", "val1", "eval"]) == {"Train Set": "train", "eval": "test", "val1": "validation"}
    assert name_splits(["eval", "test"]) == {"eval": "validation", "test": "test"}
    assert name_splits(["ucf_train", "ucf_test", "lists"]) == {"ucf_test": "test", "ucf_train": "train"}
    assert name_splits(["ucf_train", "trains", "1", ""], exact=True) == {}


def test_counted():
    assert [counted(*item) for item in ((1, "file"), (2, "file"), (0, "class"))] == ["1 file", "2 files", "0 classes"]
