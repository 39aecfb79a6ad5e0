"""PrivacyNet, Figure 5: the EER of gender readers on the 15 outputs."""

from sfumato.reproduce._perturbed_figures import readers_experiment

EXPERIMENT = readers_experiment(
    5,
    "G",
    "gender EER",
    "How well readers that never saw the perturber tell gender, on originals and 15 outputs.",
    {"quick": 10, "full": 4000},
)
