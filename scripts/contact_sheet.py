"""Draw all outputs of a perturber for the largest face of each photo.

    python scripts/contact_sheet.py sheet.png PHOTO [PHOTO ...] [--perturber NAME|FILE]
        [--labels gender=female]

Each face has as many rows as there are ages to show and one for its own: the face as it is or
with this age alone, then gender, race, and both hidden besides. What the faces show now is read
where ``--labels`` does not say it.
"""

import argparse

import numpy as np

from sfumato.cli.pictures import read_labels
from sfumato.faces.crops import crop_face
from sfumato.faces.detectors import make_detector
from sfumato.faces.photos import read_photo
from sfumato.models import load
from sfumato.perturbers._sheets import save_sheet

OTHERS = ((), ("gender",), ("race",), ("gender", "race"))


def main(output, photos, perturber, labels, size=128):
    """Write the sheet."""
    method = load(perturber, "perturber")
    detector, faces = make_detector("dlib"), []
    for photo in photos:
        image = read_photo(photo)
        face = detector.detect(image)[0]
        faces.append(crop_face(image, face.landmarks, size))
    x = np.stack(faces).transpose(0, 3, 1, 2).astype(np.float32) / 255
    ages = (None, *method.attributes_["age"])
    known = {name: [value] * len(x) for name, value in read_labels(labels).items()}
    columns = []
    for others in OTHERS:
        shown = [
            method.transform(x, hide=hide, labels=known) if hide else x
            for hide in (dict.fromkeys(others) | ({"age": age} if age else {}) for age in ages)
        ]
        # Rows: every face with each age.
        columns.append(np.stack(shown, axis=1).reshape(-1, *x.shape[1:]))
    save_sheet(columns, output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output")
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--perturber", default="privacynet")
    parser.add_argument("--labels")
    main(**vars(parser.parse_args()))
