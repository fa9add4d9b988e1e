"""Lines of printed sentences."""

from src.printing import COLUMNS, wrap


def test_lines_are_broken_between_words_alone():
    text = "The subset is recorded as 'sample-12-classes-648-clips'. " * 4
    lines = wrap(text, "    ").split("\n")
    assert len(lines) > 2 and max(map(len, lines)) <= COLUMNS
    assert not lines[0].startswith(" ") and all(line.startswith("    The") or line[4] != " " for line in lines[1:])
    assert " ".join(line.strip() for line in lines) == text.strip()


def test_a_short_text_and_a_long_path_stay_as_they_are():
    path = "/videos/" + "of-a-long-name/" * 10 + "a.mp4"
    assert wrap("Nothing is odd.") == "Nothing is odd."
    assert wrap(f"Not read: {path}") == f"Not read:\n{path}"
