"""Printed sentences in lines that a notebook shows whole: JupyterLab breaks longer ones within words."""

import textwrap

COLUMNS = 100  # of a line


def wrap(text: str, indent: str = "") -> str:
    """Breaks a text between words into lines of at most 100 columns; a longer word, such as a path, stays whole.

    Args:
        text: of one paragraph.
        indent: before each line but the first.
    """
    return textwrap.fill(text, COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
