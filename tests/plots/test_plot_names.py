"""Names of classes in every figure that shows them: as they are, whatever characters they have."""

import os
import warnings

import numpy as np
import pandas as pd
import pytest
from figures import STREAMS, drawn_and_closed, make_counts, make_frames, make_scores, uniform_flow  # noqa: F401
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.text import Text

from src.inputs.examples import Draw
from src.metrics import agreement, class_scores, confusion_matrix
from src.plots import names as naming
from src.plots import (
    plot_class_counts,
    plot_class_scores,
    plot_confusion_matrices,
    plot_draws,
    plot_predictions,
    plot_timeline,
    plot_video_prediction,
)
from src.plots.names import count_columns, readable, shorten, shorten_all, wrap

NASTY = [
    "US$_A_B$", "pay $5 or $10", r"a\$b$", "_background", "seconds", "spatial", "fused", "clips", "1", "A", "a",
    os.fsdecode(b"caf\xe9"), "a\nb", "a\tb", "x" * 200, 'quo"te', "{x}", "%s", "<b>", " ", "e\u0301", "\u00e9",
    "\ud800", "\u2028",
]  # fmt: skip


def draw_every_figure(names):
    """Draws each figure that shows names of classes; returns the texts of each."""
    count = len(names)
    truth = np.arange(count)
    scores = {stream: make_scores(truth, count) for stream in STREAMS}
    frames, flows = make_frames(count), [uniform_flow(2, 0)] * count
    stack = np.full((24, 32, 4), 140, np.uint8)
    drawings = [Draw(frames[0], stack, name, True, False) for name in names]
    by_class = {stream: class_scores(found, truth, names) for stream, found in scores.items()}
    timeline = pd.DataFrame(scores["fused"], np.linspace(0, 5, count), pd.Index(names, name="class"))
    drawn = [
        plot_class_counts(make_counts({name: (3, 2, 1) for name in names})),
        plot_draws([(names[0], frames[0], stack, drawings)], 10.0),
        plot_confusion_matrices({"fused": confusion_matrix(scores["fused"], truth)}, names),
        plot_class_scores(by_class, agreement(scores["spatial"], scores["temporal"], truth, names)),
        plot_predictions(frames, flows, truth, scores, names),
        plot_video_prediction(frames[0], flows[0], {stream: scores[stream][0] for stream in STREAMS}, names),
        plot_timeline({0.0: frames[0], 5.0: frames[1]}, timeline),
    ]
    figures = [np.ravel(axes)[0].figure for axes in drawn]
    return [{text.get_text() for text in figure.findobj(Text)} for figure in figures]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("first", range(0, len(NASTY), 4))
def test_every_figure_shows_every_name(first):
    """The figures are drawn by the fixture, without warnings."""
    names = NASTY[first : first + 4]
    for texts in draw_every_figure(names):
        for name in names:
            start = wrap(name, 17, 4)[:10] if len(name) > 100 else wrap(name, 17, 4).replace("\n", " ")
            assert any(start in text.replace("\n", " ") for text in texts), (name, texts)


def test_names_are_spelt_where_they_cannot_be_drawn():
    assert [readable(os.fsdecode(name)) for name in (b"caf\xe9", b"a\nb", "é日".encode())] == [
        r"caf\xe9",
        r"a\nb",
        "é日",
    ]
    assert readable("\ud800\u2028") == r"\ud800\u2028"


def test_dollar_signs_are_no_formula_and_are_not_cut_from_their_backslash():
    assert shorten("US$_A_B$", 20) == r"US\$_A_B\$"
    assert shorten("$" * 100, 11) == r"\$" * 5 + " … " + r"\$" * 5


def test_wide_characters_take_two_columns():
    assert count_columns("日本a") == 5
    assert count_columns(shorten("日" * 100, 30)) <= 32
    assert max(map(count_columns, wrap("日" * 30, 17, 4).split("\n"))) <= 17


def write_font(path, character):
    """Writes a font that has this character alone."""
    builder, pen = FontBuilder(1000), TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((0, 700))
    pen.lineTo((700, 0))
    pen.closePath()
    builder.setupGlyphOrder([".notdef", "one"])
    builder.setupCharacterMap({ord(character): "one"})
    builder.setupGlyf({".notdef": pen.glyph(), "one": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (800, 0), "one": (800, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Only One Sans", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return str(path)


@pytest.fixture
def installed(monkeypatch):
    """The fonts of this machine, replaced by a list."""
    fonts = []
    monkeypatch.setattr(naming, "findSystemFonts", lambda: fonts)
    monkeypatch.setattr(naming, "_without_font", set())
    monkeypatch.setattr(naming.fontManager, "ttflist", list(naming.fontManager.ttflist))
    naming._find_family.cache_clear()
    yield fonts
    naming._find_family.cache_clear()


@pytest.mark.filterwarnings("error")
def test_characters_are_drawn_in_an_installed_font_that_has_them(installed, tmp_path):
    installed.append(write_font(tmp_path / "OnlyOneSans-Regular.ttf", "日"))
    draw_every_figure(["日", "日日"])


def test_characters_that_no_font_has_are_warned_about_in_one_sentence(installed):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        axes = plot_class_counts(make_counts({"日本語": (1, 1, 1), "走る": (1, 1, 1)}))
        axes.figure.draw_without_rendering()
        axes = plot_class_counts(make_counts({"步行": (1, 1, 1)}))
        axes.figure.draw_without_rendering()
        axes.figure.clear()
    (message,) = (str(warning.message) for warning in found)
    assert message.startswith("No installed font has the characters") and "fonts-noto-cjk" in message


def test_names_that_differ_in_the_middle_still_differ():
    cameras = [f"Turning the camera {side} while filming something" for side in ("left", "right")]
    pulls = [f"Pulling something from left to {side} of something" for side in ("right", "the edge")]
    assert shorten_all(cameras + pulls, 32) == [
        "Turning the camera left …", "Turning the camera right …", *(shorten(name, 32) for name in pulls)
    ]  # fmt: skip
    same = ["x" * 40] * 2
    assert shorten_all(same, 20) == [shorten(name, 20) for name in same]
    assert shorten_all(["open", "close"], 20) == ["open", "close"]
