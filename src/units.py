"""Times and sizes as people read them: "5 s", "2 min 10 s", "1 h 5 min", "150 KB", "3.2 GB"."""

BYTE_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")  # powers of 1000, as disks are sold


def format_seconds(seconds: float) -> str:
    """A time in one or two units: "0.3 s", "5 s", "2 min 10 s", "35 min", "1 h 5 min", "2 days 4 h".

    Args:
        seconds: 0 or more.

    Raises:
        ValueError: negative or not finite; an unknown time has no number.
    """
    _check(seconds, "a time in seconds")
    if seconds < 0.95:
        return f"{seconds:.1g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return _join(whole // 60, "min", whole % 60, "s")
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return _join(minutes // 60, "h", minutes % 60, "min")
    hours = round(minutes / 60)
    return _join(hours // 24, "days", hours % 24, "h")


def format_bytes(num_bytes: float) -> str:
    """A size with two digits or more: "0 bytes", "950 bytes", "1.5 KB", "150 KB", "3.2 GB".

    Args:
        num_bytes: 0 or more.

    Raises:
        ValueError: negative or not finite.
    """
    _check(num_bytes, "a size in bytes")
    value, unit = float(num_bytes), BYTE_UNITS[0]
    for larger in BYTE_UNITS[1:]:
        if round(value) < 1000:
            break
        value, unit = value / 1000, larger
    if unit == BYTE_UNITS[0] or value >= 9.95:
        return f"{value:.0f} {unit}"
    return f"{value:.2g} {unit}"


def _join(number, unit, rest, smaller):
    return f"{number} {unit}" + (f" {rest} {smaller}" if rest else "")


def _check(value, what):
    if not 0 <= value < float("inf"):
        raise ValueError(f"{what} must be 0 or more, and finite. Received: {value!r}")
