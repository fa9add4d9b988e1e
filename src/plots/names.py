"""Names of classes as texts of a figure: shortened, drawn as they are and never as markup, in fonts that have them."""

import functools
import textwrap
import unicodedata
import warnings
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager, get_font
from matplotlib.text import Text

_UNDRAWN = ("Cc", "Cs", "Zl", "Zp")  # Unicode categories: control characters, surrogates, breaks of lines
STARTS = (1 / 2, 3 / 4, 9 / 10)  # shares of a shortened name that come from its start, in the order of preference
_without_font: set[str] = set()  # characters that were warned about


def shorten(name: str, width: int) -> str:
    """Shortens a class name to about `width` columns, in the middle: templates often differ in their last words."""
    return _escape(_shorten(readable(name), width))


def shorten_all(names: list[str], width: int) -> list[str]:
    """Shortens class names as `shorten` does; of those that would look alike, more of the start is kept."""
    tried = [[_shorten(readable(name), width, start) for name in names] for start in STARTS]
    unique = [[short[i] for short in tried if short.count(short[i]) == 1] for i in range(len(names))]
    return [_escape((forms or tried[0][i : i + 1])[0]) for i, forms in enumerate(unique)]


def wrap(name: str, width: int, lines: int) -> str:
    """Breaks a class name into about `lines` lines of `width` columns at most; a longer one is shortened."""
    name = _shorten(readable(name), width * lines - width // 2)
    return _escape(textwrap.fill(name, _count_characters(name, width)))


def readable(name: str) -> str:
    r"""A name of characters that can be drawn: a line break is spelt \n, and a byte E9 that is not UTF-8 \xe9."""
    return "".join(_spell(letter) if unicodedata.category(letter) in _UNDRAWN else letter for letter in name)


def count_columns(text: str) -> int:
    """The width of a text in units of a Latin letter; characters of Chinese, Japanese and Korean are twice as wide."""
    return len(text) + sum(unicodedata.east_asian_width(character) in "WF" for character in text)


def choose_fonts(figure: Figure) -> None:
    """Adds to each text of a figure the fonts that have the characters which its own font lacks.

    Characters that no installed font has are drawn as boxes; the first of a process are warned about.
    """
    for text in figure.findobj(Text):
        families = text.get_fontfamily()
        own = frozenset().union(*(_characters(findfont(FontProperties(family=[family]))) for family in families))
        lacking = sorted({character for character in text.get_text() if ord(character) not in own} - {"\n"})
        if lacking:
            found = {character: _find_family(character) for character in lacking}
            text.set_fontfamily([*families, *dict.fromkeys(filter(None, found.values()))])
            _warn_about({character for character, family in found.items() if family is None})


def _shorten(name, width, start=STARTS[0]):
    """Keeps so many characters, a share `start` of them from the start of the name; words stay whole."""
    width = _count_characters(name, width)
    if len(name) > width:
        name = name.replace("Something", "Sth").replace("something", "sth")
    if len(name) <= width:
        return name
    first, last = int((width - 3) * start), int((width - 3) * (1 - start))
    end = name[-last - 1 :].split(" ", 1)[-1]
    end = "" if start > 1 / 2 and len(end) > last else end  # a part of a word
    return f"{name[: first + 1].rsplit(' ', 1)[0]} … {end}".rstrip()


def _count_characters(name, columns):
    """How many characters of a name fit into so many columns."""
    return max(8, columns * len(name) // max(1, count_columns(name)))


def _spell(character):
    code = ord(character) - 0xDC00  # Python's surrogates for bytes that are not UTF-8 are U+DC80 … U+DCFF
    return f"\\x{code:02x}" if 0x80 <= code <= 0xFF else character.encode("unicode_escape").decode()


def _escape(name):
    r"""Dollar signs would enclose formulas. A text whose dollar signs are all written \$ is drawn as it is."""
    return name.replace("$", r"\$")


@functools.cache
def _characters(path: str) -> frozenset[int]:
    """The code points that a font has."""
    try:
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError):  # not a font that matplotlib can read
        return frozenset()


@functools.cache
def _find_family(character: str) -> str | None:
    """The family of an installed font that has a character, upright and without serifs if there is such a one."""
    paths = sorted(findSystemFonts(), key=lambda path: ("Sans" not in path, "Regular" not in path, Path(path).name))
    for path in paths:
        if ord(character) in _characters(path) and _can_draw(path, character):
            if not any(entry.fname == path for entry in fontManager.ttflist):  # installed after its list was cached
                fontManager.addfont(path)
            return get_font(path).family_name
    return None


def _can_draw(path, character):
    try:
        font = get_font(path)
        font.set_size(12, 72)
        font.load_char(ord(character))
    except RuntimeError:  # a font of coloured bitmaps
        return False
    return True


def _warn_about(characters: set[str]) -> None:
    """Warns in one sentence for a process, instead of matplotlib's for each character and figure."""
    if not characters:
        return
    warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
    if not _without_font:
        warnings.warn(
            f"No installed font has the characters {' '.join(sorted(characters)[:5])} of a name: figures show them as "
            "boxes. Install a font that has them (for Chinese, Japanese and Korean the package fonts-noto-cjk of "
            "Debian and Ubuntu, google-noto-sans-cjk-fonts of Fedora), and restart.",
            stacklevel=4,
        )
    _without_font.update(characters)
