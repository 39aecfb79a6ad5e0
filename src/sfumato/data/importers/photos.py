"""Importers of photos in folders: LFW, UTKFace, DiveFace and any folder per person."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from sfumato.data.importers._writing import (
    Photo,
    Reject,
    find_file,
    import_photos,
    need_folder,
    walk_images,
)
from sfumato.errors import InputError
from sfumato.files import read_text
from sfumato.outcomes import Progress

LFW_NAME = re.compile(r"(?P<person>.+)_\d{4}")
UTK_NAME = re.compile(r"(?P<age>\d{1,3})_(?P<gender>[01])_(?P<race>[0-4])_[^_]+")
UTK_GENDERS = ("male", "female")
UTK_RACES = ("white", "black", "asian", "indian", "other")
DIVEFACE_GROUPS = {
    "Group1": "east_asian",
    "Group2": "sub_saharan_or_south_indian",
    "Group3": "caucasian",
}


def import_folder(
    folder: str | Path,
    output: str | Path,
    *,
    copy_images: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Import photos sorted into one folder per person.

    Parameters
    ----------
    folder : str or Path
        ``PERSON/photo.jpg``, at any depth: the photo's folder, seen from ``folder``, is
        the identity. Files that are not called like images are left aside.
    output : str or Path
        Table to write; bad rows go to ``<output stem>.rejects.parquet``.
    copy_images : bool, default=False
        Copy the photos into the table instead of storing their paths.
    force : bool, default=False
        Replace existing files.
    progress : callable, optional
        Called as ``progress(n_done, n_total, what)``.

    Returns
    -------
    Imported
    """
    root = need_folder(folder)
    return import_photos(
        output,
        root,
        _folder_photos(root),
        {},
        source=root.resolve().name,
        copy_images=copy_images,
        force=force,
        progress=progress,
    )


def _folder_photos(root):
    for path in walk_images(root):
        name = path.as_posix()
        if path.parent == Path("."):
            yield Reject(name, name, "lies in no person's folder")
        else:
            yield Photo(name, name, path.parent.as_posix())


def import_lfw(
    folder: str | Path,
    output: Any,
    *,
    copy_images: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Import Labeled Faces in the Wild: ``lfw/Name/Name_0001.jpg``.

    Parameters
    ----------
    folder : str or Path
        The folder of the people, or the one that holds it as ``lfw``. If
        ``male_names.txt`` and ``female_names.txt`` (one file name a line) lie in it or
        beside it, they give ``gender``; a photo in neither or in both has none.
    output, copy_images, force, progress
        As for :func:`import_folder`.

    Returns
    -------
    Imported

    References
    ----------
    Huang et al., "Labeled Faces in the Wild", UMass Amherst TR 07-49, 2007.
    """
    folder = need_folder(folder)
    root = folder / "lfw" if (folder / "lfw").is_dir() else folder
    genders = _lfw_genders(root)
    return import_photos(
        output,
        root,
        _lfw_photos(root, genders),
        {"gender": pa.string()} if genders else {},
        source="lfw",
        copy_images=copy_images,
        force=force,
        progress=progress,
    )


def _lfw_genders(root):
    genders: dict[str, str | None] = {}
    for gender in ("male", "female"):
        path = find_file(root, f"{gender}_names.txt", "..")
        if path is None:
            continue
        for line in read_text(path).splitlines():
            name = Path(line.strip()).stem
            if name:
                genders[name] = None if genders.get(name, gender) != gender else gender
    return genders


def _lfw_photos(root, genders):
    for path in walk_images(root):
        name, match = path.as_posix(), LFW_NAME.fullmatch(path.stem)
        if match is None or path.parent.as_posix() != match["person"]:
            yield Reject(path.stem, name, "is not called Name/Name_0001.jpg")
        else:
            labels = {"gender": genders.get(path.stem)} if genders else {}
            yield Photo(path.stem, name, match["person"], labels)


def import_utkface(
    folder: str | Path,
    output: Any,
    *,
    copy_images: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Import UTKFace: ``[age]_[gender]_[race]_[date and time].jpg``.

    Parameters
    ----------
    folder : str or Path
        The photos, at any depth; ``.jpg.chip.jpg`` is understood. A name that lacks a part
        (there are some in the official archive) is rejected.
    output, copy_images, force, progress
        As for :func:`import_folder`.

    Returns
    -------
    Imported
        Labels ``age_years`` (0 to 116), ``gender`` and ``race``; UTKFace names nobody, so
        there is no ``identity``.

    References
    ----------
    Zhang et al., "Age Progression/Regression by Conditional Adversarial Autoencoder",
    CVPR 2017.
    """
    root = need_folder(folder)
    labels = {"age_years": pa.int64(), "gender": pa.string(), "race": pa.string()}
    return import_photos(
        output,
        root,
        _utk_photos(root),
        labels,
        source="utkface",
        has_identity=False,
        copy_images=copy_images,
        force=force,
        progress=progress,
    )


def _utk_photos(root):
    for path in walk_images(root):
        name = path.as_posix()
        stem = path.name.split(".")[0]
        match = UTK_NAME.fullmatch(stem)
        if match is None or int(match["age"]) > 116:
            yield Reject(stem, name, "is not called age_gender_race_date.jpg")
            continue
        labels = {
            "age_years": int(match["age"]),
            "gender": UTK_GENDERS[int(match["gender"])],
            "race": UTK_RACES[int(match["race"])],
        }
        yield Photo(stem, name, None, labels)


def import_diveface(
    folder: str | Path,
    output: str | Path,
    *,
    images: str | Path | None = None,
    copy_images: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Import DiveFace: six lists of ``person/photo.jpg``, one a gender and group.

    Parameters
    ----------
    folder : str or Path
        Holds ``Group1_Male.txt`` to ``Group3_Female.txt``, itself or in ``files``; where
        such a list is missing, its ``_balanced`` variant is used. Each line names a photo
        of the MegaFace training set as ``person/photo.jpg``.
    output : str or Path
    images : str or Path, optional
        Folder of ``person/photo.jpg``; by default ``folder``. The copy that the data set's
        own script makes, ``Group1_Male/person/photo.jpg``, is found as well.
    copy_images, force, progress
        As for :func:`import_folder`.

    Returns
    -------
    Imported
        Labels ``gender`` and ``race`` (east_asian, sub_saharan_or_south_indian, caucasian:
        the three groups of the paper).

    Raises
    ------
    InputError
        If one of the six lists is missing.

    References
    ----------
    Morales et al., "SensitiveNets", IEEE TPAMI 2020, arXiv:1902.00334.
    """
    folder = need_folder(folder)
    root = need_folder(images) if images is not None else folder
    lists = {}
    for group in DIVEFACE_GROUPS:
        for gender in ("Male", "Female"):
            name = f"{group}_{gender}"
            path = find_file(folder, f"{name}.txt", "files") or find_file(
                folder, f"{name}_balanced.txt", "files"
            )
            if path is None:
                raise InputError(f"{folder}: has no list {name}.txt; DiveFace has six.")
            lists[name] = path
    return import_photos(
        output,
        root,
        _diveface_photos(root, lists),
        {"gender": pa.string(), "race": pa.string()},
        source="diveface",
        copy_images=copy_images,
        force=force,
        progress=progress,
    )


def _diveface_photos(root, lists):
    for name, path in lists.items():
        group, gender = name.split("_")
        labels = {"gender": gender.lower(), "race": DIVEFACE_GROUPS[group]}
        below = f"{name}/" if (root / name).is_dir() else ""
        for line in read_text(path).splitlines():
            entry = line.strip()
            if not entry:
                continue
            person, _, photo = entry.partition("/")
            if not photo or ".." in Path(entry).parts or not person:
                yield Reject(entry, entry, f"{path.name}: is not person/photo.jpg")
            else:
                yield Photo(entry, below + entry, person, labels)
