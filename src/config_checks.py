"""Checks of the fields of a configuration: the type of each, its range, and an error that says what it must be."""

import math
import os
from collections.abc import Mapping
from dataclasses import Field, fields
from numbers import Integral, Real
from typing import Any, NamedTuple, get_args


class Rules(NamedTuple):
    """What fields must be, by their names, beside being of their type.

    Attributes:
        choices: the values of a field that has a few.
        least: of an integer.
        most: of an integer that has a `least`, or of a number from 0.
        positive: the names of the positive numbers.
    """

    choices: Mapping[str, tuple]
    least: Mapping[str, int]
    most: Mapping[str, float]
    positive: tuple[str, ...]


def check_fields(config: Any, rules: Rules) -> None:
    """Checks the type and the range of each field of a dataclass; NumPy's scalars become Python's, as JSON needs.

    Raises:
        ValueError: a field breaks its rule.
    """
    for field in fields(config):
        name, value, kinds = field.name, getattr(config, field.name), _kinds(field)
        if value is None and type(None) in kinds:
            continue
        value = _convert(value, kinds[0])
        valid = value is not None and value != "None"  # a file called None is less likely than quotes too many
        if name in rules.choices:
            valid = valid and value in rules.choices[name]
        if name in rules.least or name in rules.most:
            valid = valid and rules.least.get(name, 0) <= value <= rules.most.get(name, math.inf)
        if name in rules.positive:
            valid = valid and value > 0
        require(valid, config, _describe(field, rules), getattr(config, name))
        object.__setattr__(config, name, value)


def require(condition: bool, config: Any, rule: str, received: object) -> None:
    """Raises a ValueError that names the configuration, the rule and what was received, if the condition is false."""
    if not condition:
        raise ValueError(f"{type(config).__name__}: {rule}. Received: {received!r}{_quotes_hint(received)}")


def _kinds(field: Field) -> tuple[type, ...]:
    """The types of a field, such as (int, NoneType)."""
    return get_args(field.type) or (field.type,)


def _convert(value: object, kind: Any) -> object:
    """The value as `kind`, or None if it is of another type; text is never taken for a number or a truth value."""
    is_truth = isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")  # NumPy's, which is no bool
    if kind is bool:
        return bool(value) if is_truth else None
    if kind is int:
        return int(value) if isinstance(value, Integral) and not is_truth else None
    if kind is float:
        return float(value) if isinstance(value, Real) and not is_truth and math.isfinite(value) else None
    if kind is str:
        return os.path.expanduser(value) if isinstance(value, str | os.PathLike) and os.fspath(value) else None
    is_text = isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)
    return dict(value) if is_text else None


def _describe(field: Field, rules: Rules) -> str:
    """What a field must be, for its error."""
    name, kinds = field.name, _kinds(field)
    if name in rules.choices:
        rule = f"must be one of {rules.choices[name]}"
    elif name in rules.most:
        kind = "an integer" if kinds[0] is int else "a number"
        rule = f"must be {kind} from {rules.least.get(name, 0)} to {rules.most[name]}"
    elif name in rules.least:
        rule = f"must be an integer, {rules.least[name]} or more"
    elif name in rules.positive:
        rule = "must be a positive number"
    else:
        rule = {bool: "must be True or False", str: "must be text"}.get(kinds[0], "must be a dictionary of class names")
    return f"{name} {rule}" + (", or None" if type(None) in kinds else "")


def _quotes_hint(received: object) -> str:
    """What to write instead of a value in quotes, as some programs that set parameters pass them."""
    if not isinstance(received, str):
        return ""
    is_value = received in ("None", "True", "False") or _is_number_text(received)
    return f". Write it without quotes: {received}" if is_value else ""


def _is_number_text(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
