"""SensitiveNets, Fig. 3: gender and ethnicity from ever fewer features [1]_.

References
----------
.. [1] Morales, Fierrez, Vera-Rodriguez, Tolosana, "SensitiveNets: Learning Agnostic
   Representations with Application to Face Images", IEEE TPAMI 2020, Sect. 4.2.
"""

from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sfumato.reproduce._curves import curve, draw_curves
from sfumato.reproduce._result import Findings, rows_of
from sfumato.reproduce.demographics import ATTRIBUTES, read_utkface
from sfumato.reproduce.experiment import Experiment

SOFTMAX, RBF = "softmax layer", "RBF SVM"


def run(context: Any) -> Findings:
    """Measure the figure; see :class:`sfumato.reproduce.experiment.Experiment`."""
    faces = read_utkface(context)
    classifiers = {
        # Sect. 4.2 trains the layer by Adam; its optimum is logistic regression's.
        SOFTMAX: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        RBF: make_pipeline(StandardScaler(), SVC(C=10)),
    }

    def measure(seed):
        figures: dict = {}
        for attribute in ATTRIBUTES:
            y = faces[attribute].astype(str)
            for name, classifier in classifiers.items():
                options = {"classifier": classifier, "max_train_rows": context.pick(1_500, 9_000)}
                figures |= curve(context, attribute, name, faces.X, y, seed=seed, **options)
        return figures

    figures = context.over_seeds(measure)
    notes = [
        "Balanced accuracy on UTKFace, which stands in for DiveFace (races grouped as there); "
        "1 in 6 images is for the test. UTKFace names nobody: a person may be on both sides.",
        "The paper prints a curve and no figures: with a tenth of the features its softmax layer "
        "still classifies accurately. Ours has an encoder of fewer features, 128 with "
        "MobileFaceNet or dlib, where the paper's ResNet-50 has 2,048.",
        "The softmax layer is fitted to its optimum as a logistic regression on standardised "
        "features; the paper trains it by Adam for 150 epochs (Sect. 4.2).",
        "Every seed draws two sets of features.",
    ]
    return Findings(rows_of(figures), notes, {"curves": draw_curves(figures)})


EXPERIMENT = Experiment(
    title="SensitiveNets, Figure 3",
    shows="Gender and ethnicity as read from randomly chosen shares of the features.",
    source="Morales, Fierrez, Vera-Rodriguez, Tolosana, SensitiveNets, IEEE TPAMI 2020, Fig. 3",
    tables=("utkface",),
    run=run,
    n_seeds={"quick": 2, "full": 3},
    seconds={"quick": 20, "full": 760},
    extras=(),
)
