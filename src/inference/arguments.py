"""What the commands of this package have in common: their parser, and names that begin with a dash."""

import argparse
import re
import sys


def make_parser(prog: str, description: str) -> argparse.ArgumentParser:
    """A parser with the argument "run"; what the command prints may be names of bytes that are not UTF-8."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(
        prog=prog, description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    return parser


def mark_names(words: list[str], options: str) -> list[str]:
    """Puts ./ before names that begin with a dash, which would be taken for options.

    Args:
        words: of the command line.
        options: regular expression of the words that begin with a dash and are no names.
    """
    known = re.compile(f"-h|--help|--|-?|{options}")
    end = words.index("--") if "--" in words else len(words)
    return [word if known.fullmatch(word) or word[0] != "-" else f"./{word}" for word in words[:end]] + words[end:]
