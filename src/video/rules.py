"""What a video must be: the error that names what is wrong, the checks that need no decoding, and the sizes."""

from pathlib import Path

# Larger frames do not show an action, and a few of them fill the memory.
MAX_PIXELS = 8192 * 8192
MAX_ASPECT = 16  # longer side / shorter side, as displayed


class VideoError(ValueError):
    """A video that cannot be used. The message names the file, the rule, and what was found."""


def displayed_size(height: int, width: int, pixel_aspect: float) -> tuple[int, int]:
    """(height, width) with square pixels, where a pixel is `pixel_aspect` times as wide as high; no side shrinks."""
    if pixel_aspect >= 1:
        return height, round(width * pixel_aspect)
    return round(height / pixel_aspect), width


def stored_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) in pixels with the shorter side at `short_side` and the aspect ratio kept."""
    scale = short_side / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def check_size(source: object, height: int, width: int) -> None:
    """Raises VideoError if frames of this size, as displayed, are too large or too elongated."""
    if max(width, height) > MAX_ASPECT * min(width, height) or width * height > MAX_PIXELS:
        raise VideoError(
            f"{source}: frames must have at most {MAX_PIXELS:,} pixels and an aspect ratio of at most {MAX_ASPECT}; "
            f"they are {width} × {height} pixels. Crop or scale the video, or leave it out."
        )


def check_length(source: object, num_frames: int) -> None:
    """Raises VideoError if there are fewer than two frames."""
    if num_frames < 2:
        raise VideoError(
            f"{source}: too short: optical flow needs at least 2 frames; the file holds {num_frames}. Leave it out if "
            "it is a still image or an audio file with cover art; download it again if it was cut off."
        )


def read_start(path: Path) -> bytes:
    """The first bytes of a regular file that is not empty, or VideoError."""
    try:
        if not path.is_file():
            if path.is_dir():
                found = "it is a folder. Correct the path; a folder of frames holds .jpg, .jpeg or .png files."
            else:
                found = "there is no regular file of that name. Correct the path, or download it again."
            raise VideoError(f"{path}: must be a video file; {found}")
        with path.open("rb") as file:
            start = file.read(20)
    except OSError as error:
        raise VideoError(
            f"{path}: must be a readable file; {error.strerror}. Correct its name or permissions."
        ) from error
    if not start:
        raise VideoError(f"{path}: empty: the file has 0 bytes. Download it again.")
    return start
