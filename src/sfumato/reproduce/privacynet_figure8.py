"""PrivacyNet, Figure 8: ROC curves of a matcher on the 15 outputs, beside the control's."""

from sfumato.reproduce._perturbed_figures import curves_experiment

EXPERIMENT = curves_experiment(
    8,
    "roc",
    "FMR",
    "TMR",
    "How well an unseen matcher verifies people on the 15 outputs, with and without the matching "
    "loss in the training.",
    {"quick": 10, "full": 4000},
)
