"""PrivacyNet, Figure 6: the EER of race readers on the 15 outputs."""

from sfumato.reproduce._perturbed_figures import readers_experiment

EXPERIMENT = readers_experiment(
    6,
    "R",
    "race EER",
    "How well readers that never saw the perturber tell race, on originals and 15 outputs.",
    {"quick": 10, "full": 300},
)
