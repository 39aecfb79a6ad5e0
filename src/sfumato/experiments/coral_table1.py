"""CORAL, Table 1: ages by cross-entropy, OR-CNN and CORAL, on one split and network [1]_.

References
----------
.. [1] Cao, Mirjalili, Raschka, "Rank-consistent ordinal regression for neural networks",
   arXiv:1901.07884v3; Raschka, "Machine learning approaches to hide and to predict
   soft-biometric attributes", 2019, slides.
"""

from sfumato.experiments.ages import CPU, FIRST, LAST, MODELS, Ages, judge, train_age
from sfumato.experiments.experiment import Experiment
from sfumato.experiments.result import Findings, rows_of

SECTION = "UTKFace"
# ResNet-34, three seeds; without and with task importance weights.
PUBLISHED = {
    ("CE-CNN", "MAE"): 6.37,
    ("CE-CNN", "RMSE"): 8.88,
    ("OR-CNN", "MAE"): 5.74,
    ("OR-CNN", "RMSE"): 8.08,
    ("OR-CNN, weighted", "MAE"): 5.76,
    ("CORAL-CNN", "MAE"): 5.47,
    ("CORAL-CNN", "RMSE"): 7.62,
    ("CORAL-CNN, weighted", "MAE"): 5.39,
}


def run(context):
    """Measure the table; see :class:`sfumato.experiments.experiment.Experiment`."""
    data = Ages.read(context)
    sizes: list = []

    def measure(seed):
        figures: dict = {}
        sizes[:] = [len(part) for part in data.parts(seed)]
        for name, (model, weighted) in MODELS.items():
            _, reading, test = train_age(context, data, model, seed, weighted=weighted)
            found = judge(data, reading, test)
            figures |= {(SECTION, name, column): value for column, value in found.items()}
        return figures

    rows = rows_of(
        context.over_seeds(measure), {(SECTION, *key): value for key, value in PUBLISHED.items()}
    )
    train, validation, test = sizes
    notes = [
        f"UTKFace, {FIRST} to {LAST} years: {train:,} photos to train, {validation:,} to pick the "
        f"epoch by, {test:,} to test, other ones for each seed; whole photos, mirrored and cut at "
        "random. UTKFace names nobody: a person may be on several sides.",
        "The published figures are of ResNet-34 from the start at 120 pixels, Adam at 5e-4, "
        f"batches of 256, 200 epochs. Ours is {context.pick('a tiny network', CPU.backbone)} at "
        f"half width and {CPU.crop} pixels, AdamW without decay at 1e-3, batches of 64, "
        f"{context.pick(1, 20)} epochs: small enough for two cores, so compare the rows with each "
        "other.",
        "An inconsistency: a level more likely than the one before. OR-CNN's and CORAL's losses "
        "are divided alike; all biases start at the ages' frequencies.",
    ]
    return Findings(rows, notes)


EXPERIMENT = Experiment(
    title="CORAL, Table 1",
    shows="Ages by cross-entropy, OR-CNN, CORAL (with and without importance weights) and CORN: "
    "errors, and how often level probabilities contradict each other.",
    source="Cao, Mirjalili, Raschka, Rank-consistent ordinal regression, arXiv:1901.07884v3",
    tables=("utkface",),
    run=run,
    n_seeds={"quick": 1, "full": 3},
    seconds={"quick": 30, "full": 7200},
    extras=("deep", "faces"),
)
