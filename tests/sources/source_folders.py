"""Small sources of empty videos: SSv2 downloads, folders per class, CSVs."""

from pathlib import Path

import pandas as pd
from conftest import ssv2_labels

from src.sample import VIDEO_FOLDER

HOLD, PUSH = "Holding something", "Pushing something from left to right"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def entry(video_id, template: str) -> dict:
    written = template.replace("something", "[something]").replace("part", "[part]")
    return {"id": video_id, "label": "free text", "template": written, "placeholders": ["cup"]}


def write_ssv2(
    folder: Path, place="labels", prefix="", train=None, validation=None, answers=True, classes=(HOLD, PUSH)
) -> Path:
    """An SSv2 download with all its videos; by default two for training, one for validation, one for the test."""
    train = train or [entry("1", HOLD), entry("2", PUSH)]
    validation = validation or [entry("3", HOLD)]
    (folder / place).mkdir(parents=True, exist_ok=True)
    for name, text in ssv2_labels(classes, train, validation, [entry("4", PUSH)]).items():
        if name.endswith(".json"):
            (folder / place / f"{prefix}{name}").write_text(text)
        elif answers:
            (folder / place / name).write_text(text)
    touch(*(folder / VIDEO_FOLDER / f"{item['id']}.webm" for item in [*train, *validation, {"id": "4"}]))
    return folder


def write_csv(path: Path, text: str, videos=()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    touch(*(path.parent / name for name in videos))
    return path


def rows(table: pd.DataFrame, *columns: str) -> list[tuple]:
    return list(table[list(columns)].itertuples(index=False, name=None))


def only_warning(record) -> str:
    assert len(record) == 1, [str(item.message) for item in record]
    return str(record[0].message)
