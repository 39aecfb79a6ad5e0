"""PrivacyNet, Figure 7: the age error of readers on the 15 outputs."""

from sfumato.reproduce._perturbed_figures import readers_experiment

EXPERIMENT = readers_experiment(
    7,
    "A",
    "age MAE",
    "How far readers that never saw the perturber are off with the age, in years; on CelebA and "
    "LFW how far their answer moved.",
    {"quick": 10, "full": 300},
)
