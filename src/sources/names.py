"""Names of files and classes are data: which are equal, which are splits, how they become ids and are shown."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath

UNUSABLE = r'[<>:"|?*/\\\x00-\x1f\x7f\ud800-\udfff]|\.\.+'  # in folder names, on some system
MAX_ID = 120  # bytes of an id that is made from a path
HASH = 10  # hex digits
SHOWN = 60  # characters of a name in a sentence
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "validate", "dev", "devel", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "heldout"), "test"),
    **dict.fromkeys(("eval", "evaluation", "evaluate"), "evaluation"),
}
FILLERS = {"set", "data", "split", "video", "videos", "clip", "clips", "frames", "images"}  # train_set, test split


def nfc(name: str) -> str:
    """The composed Unicode form: é as one character, as most systems write it; macOS writes e and an accent."""
    return unicodedata.normalize("NFC", name)


def make_id(path: PurePath, span: str = "") -> str:
    """The id of a video, from its path below the source alone: run/a.mp4 → run__a.mp4, with a span run__a.mp4__3.5-7.

    Paths that this would not keep apart (characters that some file system refuses, __ within a name, more than 120
    bytes, a place outside the source) also get a hash of the path: what?.mp4 → what_.mp4-5f1c9a30d2.
    """
    is_outside = path.is_absolute() or ".." in path.parts
    names = list(path.parts[-2:] if is_outside else path.parts) + [span] * bool(span)
    names = [name for name in names if name not in ("..", path.anchor)]
    made = re.sub(UNUSABLE, "_", nfc("__".join(names))).strip(". ")
    made = made.encode()[-MAX_ID:].decode(errors="ignore").strip(". ") if len(made.encode()) > MAX_ID else made
    is_exact = made.split("__") == names and not is_outside
    key = f"{path.as_posix()}\0{span}".encode(errors="surrogatepass")
    return made if is_exact else f"{made or 'video'}-{hashlib.blake2b(key, digest_size=HASH // 2).hexdigest()}"


def name_splits(names: Iterable[str], exact: bool = False) -> dict[str, str]:
    """The split of each name that means one, such as Training, val1, test_set: train, validation or test.

    Evaluation is validation beside a test split, otherwise test. Names may share other words, as ucf_train and ucf_test
    do, unless they must be `exact`; what has other words than most splits is none.
    """
    found: dict[tuple, dict[str, str]] = {}
    for name in sorted(names):
        words = re.findall(r"[^\W\d_]+", name.casefold())
        words = [re.sub("(set|data|split|videos|clips)$", "", word) for word in words]
        words = [word for word in words if word and word not in FILLERS]
        splits = [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]
        others = tuple(word for word in words if word not in SPLIT_WORDS)
        if len(splits) == 1 and not (exact and others):
            found.setdefault(others, {})[name] = splits[0]
    splits = max(found.values(), key=lambda named: len(set(named.values())), default={})
    meaning = "test" if "validation" in splits.values() or "test" not in splits.values() else "validation"
    return {name: meaning if split == "evaluation" else split for name, split in splits.items()}


def counted(number: int, noun: str) -> str:
    """1 file, 2 files, 2 classes."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{ending}"


def printable(text: object) -> str:
    """Text that any terminal, log and notebook can show on one line; bytes that are not UTF-8 become \\xe9."""
    return "".join(character if character.isprintable() else _escape(character) for character in str(text))


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a file name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode()


def few(items: Iterable, count: int = 3) -> str:
    """At most three (or `count`) examples, as printable text; long names are shortened in the middle."""
    names = [printable(item) for item in items]
    names = [f"{name[: SHOWN - 20]}…{name[-19:]}" if len(name) > 3 * SHOWN else name for name in names]
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")
