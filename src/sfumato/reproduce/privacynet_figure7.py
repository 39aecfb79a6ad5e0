"""PrivacyNet, Figure 7: the age error of readers on the 15 outputs."""

from sfumato.reproduce._perturbed_figures import readers_experiment

EXPERIMENT = readers_experiment(
    7,
    "A",
    "age MAE",
    "How far readers that never saw the perturber are off with the age, in years; on CelebA and "
    "LFW how far their answer moved.",
    "Published: about 5 years where the age is kept; where A2 is to be shown, about 15 on four "
    "data sets and about 20 on RaFD.",
    {"quick": 10, "full": 300},
)
