"""Importer of CelebA in its official text files."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from sfumato.data.importers._writing import Photo, Reject, find_file, import_photos, need_folder
from sfumato.errors import InputError
from sfumato.files import read_text
from sfumato.outcomes import Progress

ATTRIBUTES = [
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
]
PARTITIONS = {"0": "train", "1": "valid", "2": "test"}
SIGN = {"1": True, "-1": False}


def import_celeba(
    folder: str | Path,
    output: str | Path,
    *,
    images: str | Path | None = None,
    copy_images: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Import CelebA with its 40 attributes, identities and official partition.

    Parameters
    ----------
    folder : str or Path
        Holds ``list_attr_celeba.txt`` and, where there are, ``identity_CelebA.txt`` and
        ``list_eval_partition.txt``, themselves or in ``Anno`` and ``Eval``.
    output : str or Path
        Table to write; bad rows go to ``<output stem>.rejects.parquet``.
    images : str or Path, optional
        Folder of the photos, named as in the lists (the suffix may differ); by default
        ``img_align_celeba``.
    copy_images : bool, default=False
        Copy the photos into the table instead of storing their paths.
    force : bool, default=False
        Replace existing files.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.

    Returns
    -------
    Imported
        Labels: ``gender`` from Male, the other attributes as lower-case booleans, and
        ``partition`` (train, valid, test).

    Raises
    ------
    InputError
        If the attribute list or the photos are missing, or for an unknown attribute.

    References
    ----------
    Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015.
    """
    folder = need_folder(folder)
    listed = _need(folder, "list_attr_celeba.txt", "Anno")
    if images is None:
        images = _need(folder, "img_align_celeba", "Img")
    root = need_folder(images)
    names = _attribute_names(listed)
    identities = _pairs(find_file(folder, "identity_CelebA.txt", "Anno"))
    partitions = _pairs(find_file(folder, "list_eval_partition.txt", "Eval", "Anno"))
    labels = {"partition": pa.string()} if partitions is not None else {}
    labels |= {_column(name): pa.string() if name == "Male" else pa.bool_() for name in names}
    return import_photos(
        output,
        root,
        _photos(root, listed, names, identities, partitions),
        labels,
        source="celeba",
        has_identity=identities is not None,
        copy_images=copy_images,
        force=force,
        progress=progress,
    )


def _need(folder, name, below):
    found = find_file(folder, name, below)
    if found is None:
        raise InputError(f"{folder}: has no {name}, neither itself nor in {below}.")
    return found


def _column(name):
    return "gender" if name == "Male" else name.lower()


def _attribute_names(path):
    """Read the names in the second line; the first holds the number of photos."""
    names = "".join(read_text(path).splitlines()[1:2]).split()
    if not names:
        raise InputError(f"{path}, line 2: must hold the attribute names, it is empty.")
    for name in names:
        if name not in ATTRIBUTES:
            raise InputError(
                f"{path}, line 2: unknown attribute {name!r}; CelebA has: {', '.join(ATTRIBUTES)}."
            )
    if len(set(names)) < len(names):
        raise InputError(f"{path}, line 2: names an attribute twice.")
    return names


def _pairs(path):
    """Read lines of ``photo.jpg value``, or return None without a file."""
    if path is None:
        return None
    pairs = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        parts = line.split()
        if len(parts) not in (0, 2):
            raise InputError(f"{path}, line {number}: must read 'photo.jpg value'.")
        if parts:
            pairs[parts[0]] = parts[1]
    return pairs


def _photos(root, listed, names, identities, partitions):
    for number, line in enumerate(read_text(listed).splitlines()[2:], 3):
        photo, *values = line.split() or [""]
        if not photo:
            continue
        stem = Path(photo).stem
        wrong = [value for value in values if value not in SIGN]
        reason = None
        if len(values) != len(names):
            reason = f"has {len(values)} attributes instead of {len(names)}"
        elif wrong:
            reason = f"has the attribute value {wrong[0]!r}, not 1 or -1"
        elif identities is not None and photo not in identities:
            reason = "has no identity in identity_CelebA.txt"
        elif partitions is not None and partitions.get(photo) not in PARTITIONS:
            reason = "has no partition 0, 1 or 2 in list_eval_partition.txt"
        if reason:
            yield Reject(stem, photo, f"line {number} {reason}")
            continue
        labels: dict[str, bool | str] = {
            _column(n): SIGN[v] for n, v in zip(names, values, strict=True)
        }
        if "gender" in labels:
            labels["gender"] = "male" if labels["gender"] else "female"
        if partitions is not None:
            labels["partition"] = PARTITIONS[partitions[photo]]
        identity = None if identities is None else identities[photo]
        yield Photo(stem, _existing(root, photo), identity, labels)


def _existing(root, photo):
    """Return the photo's name, or the same one with another image suffix that exists."""
    for suffix in ("", ".png", ".webp", ".jpg"):
        name = str(Path(photo).with_suffix(suffix)) if suffix else photo
        if (root / name).is_file():
            return name
    return photo
