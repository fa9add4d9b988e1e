"""What the commands of this package do with the words of a command line."""

import re


def mark_names(words: list[str], options: str) -> list[str]:
    """Puts ./ before names that begin with a dash, which would be taken for options.

    Args:
        words: of the command line.
        options: regular expression of the words that begin with a dash and are no names.
    """
    known = re.compile(f"-h|--help|--|-?|{options}")
    end = words.index("--") if "--" in words else len(words)
    return [word if known.fullmatch(word) or word[0] != "-" else f"./{word}" for word in words[:end]] + words[end:]
