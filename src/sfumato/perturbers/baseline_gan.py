"""The control of PrivacyNet's paper: the same game without a matcher [1]_, Sect. 4."""

from sfumato.errors import InputError
from sfumato.perturbers.privacynet import PrivacyNetPerturber


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
        images,
        labels,
        *,
        matcher=None,
        wanted=None,
        adversaries=(),
        recipe=None,
        folder=None,
        progress=None,
    ):
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
