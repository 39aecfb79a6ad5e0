"""The control of PrivacyNet's paper: the same game without a matcher [1]_, Sect. 4."""

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

    def fit(self, images, labels, *, recipe=None, folder=None, progress=None):
        """Train the generator; see :meth:`PrivacyNetPerturber.fit`."""
        return super().fit(images, labels, recipe=recipe, folder=folder, progress=progress)
