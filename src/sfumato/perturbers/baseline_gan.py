"""The control of PrivacyNet's paper: the same game without a matcher [1]_, Sect. 4."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from sfumato.errors import InputError
from sfumato.outcomes import Progress
from sfumato.perturbers.choice import Labels
from sfumato.perturbers.images import Images
from sfumato.perturbers.privacynet import PrivacyNetPerturber
from sfumato.perturbers.recipes import PerturberRecipe


class BaselineGan(PrivacyNetPerturber):
    """PrivacyNet without the auxiliary matcher; parameters and attributes are the same.

    Notes
    -----
    Nothing holds the person: it shows what the matching loss is good for.

    References
    ----------
    .. [1] Mirjalili, Raschka, Ross, "PrivacyNet", IEEE TIP 2020, after Choi et al., "StarGAN",
       CVPR 2018.
    """

    fit_options = frozenset({"adversaries", "recipe", "folder", "progress"})

    def fit(
        self,
        images: Images,
        labels: Labels,
        *,
        matcher: Callable | None = None,
        wanted: Callable | None = None,
        adversaries: Sequence = (),
        recipe: PerturberRecipe | None = None,
        folder: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train the generator; see :meth:`PrivacyNetPerturber.fit`, but it takes no matcher."""
        if matcher is not None or wanted is not None:
            raise InputError("baseline-gan takes no matcher; use privacynet.")
        return super().fit(
            images,
            labels,
            adversaries=adversaries,
            recipe=recipe,
            folder=folder,
            progress=progress,
        )
