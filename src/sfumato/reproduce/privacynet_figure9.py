"""PrivacyNet, Figure 9: CMC curves of a matcher on the 15 outputs, beside the control's."""

from sfumato.reproduce._perturbed_figures import curves_experiment

EXPERIMENT = curves_experiment(
    9,
    "cmc",
    "rank",
    "share identified",
    "How well an unseen matcher identifies people on the 15 outputs, with and without the "
    "matching loss in the training.",
    {"quick": 10, "full": 300},
)
