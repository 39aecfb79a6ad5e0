"""Models for the service that load at once; its worker processes can import them."""

import errno
import io
import os
import signal
import time
from dataclasses import dataclass

import numpy as np
from PIL import Image

from brighten import LightPerturber, RedDetector
from sfumato.errors import InputError
from sfumato.faces.limits import PhotoLimits
from sfumato.service._room import admit_photo
from sfumato.service.work import Loaded, Models


class MeanEncoder:
    """A template whose length tells how bright a photo is, in dlib's place."""

    name, version, dimension = "dlib-resnet", "55533b28a958", 128
    metric, normalisation = "euclidean", "none"

    def encode(self, image, face):
        """Return a template."""
        return np.full(128, image.mean() / 255 / np.sqrt(128), np.float32)


class Check:
    """Says how much brighter the photo became."""

    def compare(self, before, after, face):
        """Return what a FaceCheck would, in brief."""
        brighter = float(after.mean() - before.mean()) > 0
        said = {
            "before": {"label": "female"},
            "after": {"label": "male" if brighter else "female"},
        }
        return {
            "brighter": brighter,
            "readings": {"dlib": {"gender": said}, "pixels": {}},
            "match": {"accepted": True},
        }


@dataclass(frozen=True)
class StandIns(Models):
    """Load nothing that takes time."""

    def load(self):
        """Return the stand-ins, with the eraser if there is one."""
        from sfumato.models import load

        found = Loaded(self, RedDetector(), MeanEncoder(), Check(), LightPerturber())
        if self.eraser is not None:
            found.eraser = load(self.eraser)
        return found


class TwoAttributes(LightPerturber):
    """Hides gender and age alike."""

    attributes_ = {"gender": ["female", "male"], "age": ["young", "old"]}


@dataclass(frozen=True)
class PageStandIns(StandIns):
    """As for the service's tests, with what the web page shows: readings and a match."""

    def load(self):
        """Return the stand-ins, of which the reader is real."""
        from sfumato.readers.check import FaceCheck
        from sfumato.readers.files import shipped_reader

        found = super().load()
        found.perturber = TwoAttributes()
        found.check = FaceCheck(MeanEncoder(), readers={"dlib": shipped_reader("dlib")})
        return found


def wait(seconds):
    """Return after so many seconds."""
    time.sleep(seconds)
    return "waited"


def fill(n_bytes):
    """Take so much memory."""
    return len(bytes(n_bytes))


def use_room(seconds):
    """Take the room of large photos for a while; return from when to when."""
    content = io.BytesIO()
    Image.new("L", (4_100, 4_000)).save(content, "JPEG")
    admit_photo(content.getvalue(), PhotoLimits())
    started = time.monotonic()
    time.sleep(seconds)
    return started, time.monotonic()


def find_the_disk_full(*_):
    """Fail as what writes does that is not ours."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/secret-place")


def kill(*_):
    """Be killed, such as by a machine that has no memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def die():
    """End the process at once."""
    os._exit(9)


def refuse():
    """Be the user's fault."""
    raise InputError("not so.")
