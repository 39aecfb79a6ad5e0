"""One way to change the faces of a photo: what was wished for, and what was changed."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfumato.errors import InputError
from sfumato.faces.crops import crop_face
from sfumato.faces.deep import to_8_bits
from sfumato.faces.detect import Face, plain_box
from sfumato.faces.photos import Photo
from sfumato.perturbers.choice import check_choice_of
from sfumato.perturbers.photos import (
    Place,
    add_change,
    change_photo,
    change_region,
    choose_faces,
)
from sfumato.validation import check_choice

#: Why race is hidden only where somebody says so.
RACE = "hide: to change race paints the skin of a face, which offends; leave it out."
#: Finds the faces of a photo's pixels, the largest first.
Find = Callable[[NDArray[np.uint8]], list[Face]]


@dataclass(frozen=True)
class Wish:
    """What is to be hidden and kept on the faces of photos; :meth:`of` checks it.

    Parameters
    ----------
    hide : mapping of str to (str or None)
        The class to show of each hidden attribute, None where free.
    keep : tuple of str
        Attributes that must stay readable.
    labels : mapping of str to str
        What all these faces show now; the perturber reads what is not said.
    at_random : bool
        As for :meth:`~sfumato.perturbers.base.Perturber.transform`.
    face : int, optional
        Change this face alone; 0 is the largest.
    """

    hide: Mapping[str, str | None]
    keep: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    at_random: bool = False
    face: int | None = None

    @classmethod
    def of(
        cls,
        perturber: Any,
        hide: Any,
        *,
        keep: Any = (),
        labels: Mapping[str, str] | None = None,
        at_random: bool = False,
        face: int | None = None,
        allow_race: bool = False,
    ) -> "Wish":
        """Return the wish for a perturber.

        Parameters
        ----------
        perturber : Perturber
        hide, keep, at_random
            As for :meth:`~sfumato.perturbers.base.Perturber.transform`.
        labels, face
            As of the class.
        allow_race : bool, default=False
            Whether race may be hidden, which paints skin.

        Raises
        ------
        InputError
            For an attribute or a class that the perturber does not know, or for race where that
            is not allowed.
        """
        wanted = check_choice_of(perturber.shown_, hide, keep)
        if "race" in wanted and not allow_race:
            raise InputError(
                f"{RACE} Where it is meant, --allow-race (in Python allow_race=True) lets it "
                "through."
            )
        for name, value in (labels or {}).items():
            check_choice(name, perturber.attributes_, "labels: attribute")
            check_choice(value, perturber.attributes_[name], f"labels: {name}")
        kept = (keep,) if isinstance(keep, str) else tuple(keep)
        return cls(wanted, kept, dict(labels or {}), at_random, face)

    def draw(self, classes: Mapping[str, Sequence[str]], seed: Any) -> "Wish":
        """Return a wish that leaves no class to chance: those not named are drawn among all."""
        if not self.at_random:
            return self
        rng = np.random.default_rng(seed)
        drawn = {name: str(rng.choice(classes[name])) for name in self.hide}
        named = {name: shown for name, shown in self.hide.items() if shown is not None}
        return replace(self, hide=drawn | named, at_random=False)

    def options(self) -> dict[str, Any]:
        """Return the options of a perturber's ``transform`` of one face."""
        options: dict[str, Any] = {
            "hide": self.hide,
            "keep": list(self.keep),
            "at_random": self.at_random,
        }
        if self.labels:
            options["labels"] = {name: [value] for name, value in self.labels.items()}
        return options


@dataclass(frozen=True, eq=False)
class ChangedFace:
    """A face of which pixels were changed.

    Parameters
    ----------
    number : int
        0 is the largest face of its photo.
    face : Face
    crop : int
        Pixels a side of the crop on which the change was computed.
    mean_levels, max_levels : float
        Mean and largest change of a colour value of the crop's pixels, in levels of 255.
    drawn : mapping of str to str
        The class to show of each attribute that was left to chance.
    """

    number: int
    face: Face
    crop: int
    mean_levels: float
    max_levels: float
    drawn: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "face": self.number,
            "box": plain_box(self.face.box),
            **({"drawn": dict(self.drawn)} if self.drawn else {}),
            "crop": self.crop,
            "change": {
                "mean_levels": round(self.mean_levels, 2),
                "max_levels": round(self.max_levels, 1),
            },
        }


@dataclass(frozen=True, eq=False)
class UnchangedFace:
    """A face that is as it was, and why.

    Parameters
    ----------
    number : int
        0 is the largest face of its photo.
    reason : str
    by_chance : bool
        Whether the class was drawn that the face shows, so that nothing was left undone.
    """

    number: int
    reason: str
    by_chance: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        chance = {"by_chance": True} if self.by_chance else {}
        return {"face": self.number, "reason": self.reason} | chance


@dataclass(frozen=True, eq=False)
class EditedPhoto:
    """A photo after a change of its faces; whether that hides anything, a check says.

    Parameters
    ----------
    photo : Photo
        Outside the crops of the changed faces as it was.
    changed : tuple of ChangedFace
    unchanged : tuple of UnchangedFace
    """

    photo: Photo
    changed: tuple[ChangedFace, ...]
    unchanged: tuple[UnchangedFace, ...]


def edit_photo(photo: Photo, faces: Sequence[Face], perturber: Any, wish: Wish) -> EditedPhoto:
    """Change faces of a photo: add the change of each one's crop where it was cut out.

    Parameters
    ----------
    photo : Photo
        Stays as it is. At 16 bits the change is added at 16 bits.
    faces : sequence of Face
        All faces of the photo, the largest first.
    perturber : Perturber
    wish : Wish

    Raises
    ------
    InputError
        If there is no face, none of the asked-for number, none that is large enough, or no
        pixel was changed although another class was to be shown.

    Notes
    -----
    The crop has the smallest size of 64, 128, 256 and 512 that loses nothing of the photo; of
    larger faces the change is computed at 512 and is as fine as that. The change of a smooth
    perturber is computed at its own size and has no resolution. Where crops overlap, their
    changes are averaged, so that they do not add up. Classes that are left to chance are drawn
    from the perturber's seed and the face's pixels, so that they do not depend on the other
    photos, and that faces do not all get the same one.
    """
    chosen, too_small = choose_faces(faces, wish.face)
    size = perturber.size_ if perturber.smooth else None
    places = [Place.of(face.landmarks, size) for _, face in chosen]
    deep = photo.deep is not None
    canvas: NDArray[Any] = (photo.deep if photo.deep is not None else photo.pixels).copy()
    white = photo.white if deep else 255
    changed, unchanged = [], [UnchangedFace(n, reason) for n, reason in too_small.items()]
    for place, (number, face) in zip(places, chosen, strict=True):
        others = [other for other in places if other is not place]
        change, drawn = _change(photo.pixels, face, place, perturber, wish)
        if perturber.smooth:
            source = photo.deep if photo.deep is not None else photo.pixels
            part = partial(change_region, source, change, place, white=white)
            mean, most = change_photo(canvas, part, place, others, white=white)
        else:
            mean, most = add_change(canvas, change, place, others, white=white)
        if most:
            changed.append(ChangedFace(number, face, place.size, mean, most, drawn))
        else:
            unchanged.append(UnchangedFace(number, _no_change(wish), bool(drawn)))
    if not changed and not wish.at_random:
        raise InputError(f"no face was changed: {unchanged[-1].reason}")
    unchanged.sort(key=lambda left: left.number)
    pixels = to_8_bits(canvas, white) if deep else canvas
    after = replace(photo, pixels=pixels, deep=canvas if deep else None)
    return EditedPhoto(after, tuple(changed), tuple(unchanged))


def _change(
    pixels: NDArray[np.uint8], face: Face, place: Place, perturber: Any, wish: Wish
) -> tuple[NDArray[np.float32], dict[str, str]]:
    """Return the change of a face's crop, in levels of 255, and what was drawn to be shown.

    Of a smooth perturber the change is its fields.
    """
    crop = crop_face(pixels, face.landmarks, place.size)
    planes = np.moveaxis(crop, -1, 0)[None].astype(np.float32) / 255
    seed = [perturber.seed, zlib.crc32(crop.tobytes())]
    settled = wish.draw(perturber.attributes_, seed)
    drawn = {name: str(settled.hide[name]) for name, shown in wish.hide.items() if shown is None}
    options = {"seed": seed} | settled.options()
    if perturber.smooth:
        change = perturber.fields(planes, **options)[0]
    else:
        change = np.moveaxis((perturber.transform(planes, **options) - planes)[0], 0, -1) * 255
    return change, drawn if wish.at_random else {}


def _no_change(wish: Wish) -> str:
    if wish.at_random:
        return "the change is zero: at random, the class was drawn that it shows"
    return "the change is zero: it is taken to show the wished class already"
