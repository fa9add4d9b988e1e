"""The text of the page: nothing from outside, no name as markup, colours that can be read."""

import base64
import hashlib
import json
import re

import pytest
from made_pages import NAMES, make_content

from src.atlas import page

PAGE = page.make_page(make_content(12, 6))


def test_names_cannot_leave_the_data():
    """A class may be called </script>; bytes that are not UTF-8 are spelt."""
    assert PAGE.isascii() or "\udce9" not in PAGE
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', PAGE, re.DOTALL).group(1)
    assert json.loads(data)["classes"][:5] == [*NAMES[:4], r"caf\xe9"]
    assert PAGE.count("<script") == PAGE.count("</script>") == 2 and "<img" not in PAGE


def test_the_policy_allows_nothing_but_what_the_page_holds():
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', PAGE).group(1)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", PAGE, re.DOTALL).group(1)
        assert rules[rule] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"


def test_nothing_refers_to_another_place():
    assert not re.findall(r"https?:|(?:src|href)=[\"'](?!#)|@import", PAGE)


def schemes():
    """The colours of the light and of the dark scheme, by name."""
    blocks = re.findall(r":root \{(.*?)\}", page._read("page.css"), re.DOTALL)
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in blocks)
    return {"light": light, "dark": light | dark}


def luminance(colour):
    """WCAG's relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["ground", "card", "shade"])
@pytest.mark.parametrize("ink", ["ink", "faint", "error", "good", "accent"])
def test_texts_have_contrast(scheme, ground, ink):
    first, second = (luminance(schemes()[scheme][name]) for name in (ink, ground))
    assert (max(first, second) + 0.05) / (min(first, second) + 0.05) >= 4.5  # WCAG AA
