"""A photo with what was read of its faces drawn on it."""

from pathlib import Path
from typing import Any

from sfumato.errors import InputError
from sfumato.faces.photos import read_photo
from sfumato.files import atomic_path, check_free
from sfumato.validation import need

COLOUR, BACK = (255, 255, 255), (20, 120, 138)
KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def check_output(paths: Any, source: str | Path, *, replace: bool = False) -> None:
    """Refuse to write over the source, and over another file unless ``replace``."""
    for path in filter(None, paths):
        check_free(path, overwrite=replace, inputs=[source])


def annotate(photo: Path, faces: list[dict[str, Any]], path: Path) -> None:
    """Write a photo with a box around each face and what was read of it.

    Parameters
    ----------
    photo : str or Path
    faces : list of dict
        As in :class:`sfumato.jobs.describe.Description`.
    path : str or Path
        ``.png``, ``.jpg`` or ``.webp``; metadata of the photo are left out.

    Raises
    ------
    InputError
        If the photo is a folder or a table, or the ending is another.
    """
    Image, ImageDraw, ImageFont = (
        need(f"PIL.{name}", "faces") for name in ("Image", "ImageDraw", "ImageFont")
    )
    path = Path(path)
    if path.suffix.lower() not in KINDS:
        raise InputError(f"{path}: a picture must end in {', '.join(KINDS)}.")
    if Path(photo).is_dir() or Path(photo).suffix.lower() in (".parquet", ".txt"):
        raise InputError(f"{photo}: a picture is made of one photo; give that.")
    image = Image.fromarray(read_photo(photo))
    draw = ImageDraw.Draw(image)
    size = max(11, round(max(image.size) / 60))
    font = ImageFont.load_default(size)
    for face in faces:
        box = tuple(face["box"].values())
        draw.rectangle(box, outline=BACK, width=max(2, size // 6))
        text = "\n".join(_lines(face))
        left, top, right, bottom = draw.multiline_textbbox((box[0], box[3]), text, font=font)
        moved = min(0, image.height - bottom)
        draw.rectangle((left, top + moved, right, bottom + moved), fill=BACK)
        draw.multiline_text((box[0], box[3] + moved), text, fill=COLOUR, font=font)
    with atomic_path(path) as temporary:
        image.save(temporary, KINDS[path.suffix.lower()])


def _lines(face):
    for name, value in face.items():
        if not isinstance(value, dict) or name == "box":
            continue
        if "years" in value:
            yield f"{value['years']} years ({value['low']}-{value['high']})"
        else:
            yield f"{value['label']} {value['probability']:.2f}"
