"""INLP: iterative null-space projection [1]_.

Linear classifiers are trained one after the other, each on what its predecessors left. With
``W_i`` the weights of the ``i``-th and ``R(.)`` the row space, all of them are taken out:

    P = I - B B',    B an orthonormal basis of R(W_1) + ... + R(W_n).       (Algorithm 1)
"""

from numbers import Real

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from sfumato._constraints import POSITIVE, POSITIVE_INT, Interval
from sfumato._fitted import COUNT, Array
from sfumato.erasers._attributes import cross
from sfumato.erasers._low_rank import add_affine_map, apply_low_rank
from sfumato.erasers.base import Eraser


class InlpEraser(Eraser):
    """Take out, one after the other, the directions that linear classifiers use [1]_.

    Parameters
    ----------
    n_iterations : int, default=35
        Classifiers at most ([1]_, Sect. 6.1). Each takes out ``n_classes - 1`` directions (1
        for two classes).
    margin : float, default=0.0015
        Stop once a classifier's balanced accuracy on the fitted rows exceeds chance by less
        than ``margin``; 0 never stops early. The value is that of R-LACE's code.
    regularisation : float, default=1.0
        Weight of the classifiers' squared norm; scikit-learn's ``1 / C``.

    Attributes
    ----------
    basis_ : ndarray of shape (n_directions, n_features)
        Orthonormal rows spanning what is taken out.
    accuracies_ : ndarray of shape (n_run,)
        Balanced accuracy of each classifier on the fitted rows, before its directions go.
    n_features_in_ : int

    Notes
    -----
    Nothing is promised: after enough iterations no classifier of the kind trained here does
    better than chance on the fitted rows. Each iteration costs a direction, so identity fades
    too; :class:`~sfumato.erasers.leace.LeaceEraser` reaches the same at once. Attackers that
    are not linear read what linear classifiers cannot use.

    Choices where the paper is silent or differs: logistic regression, classes weighted equally,
    on rows that are centred and scaled by one factor (the paper also uses linear SVMs);
    several attributes are crossed.

    References
    ----------
    .. [1] Ravfogel, Elazar, Gonen, Twiton, Goldberg, "Null it out: guarding protected
       attributes by iterative nullspace projection", ACL 2020, arXiv:2004.07667.
    """

    constraints = {
        "n_iterations": POSITIVE_INT,
        # Half of the accuracy is what two classes have above chance at most.
        "margin": Interval(Real, 0, 0.5, closed="left"),
        "regularisation": POSITIVE,
    }
    strength = ("n_iterations", (1, 3, 10, 20, 35, 60))

    fitted = {"n_features_in_": COUNT, "basis_": Array("k", "d"), "accuracies_": Array("i")}

    def __init__(
        self, *, n_iterations: int = 35, margin: float = 0.0015, regularisation: float = 1.0
    ) -> None:
        self.n_iterations = n_iterations
        self.margin = margin
        self.regularisation = regularisation

    def _fit(self, X, y, *, identity, context, primary, progress):
        codes = cross(y).codes
        centred = X - X.mean(axis=0)
        centred /= np.sqrt(np.mean(centred**2)) or 1
        self.basis_, weights, accuracies = np.empty((0, X.shape[1])), [], []
        for iteration in range(self.n_iterations):
            left = centred - centred @ self.basis_.T @ self.basis_
            if np.abs(left).max() < 1e-9:
                break
            W, accuracy = _classify(left, codes, self.regularisation)
            accuracies.append(accuracy)
            excess = accuracy - 1 / (codes.max() + 1)
            if 0 < self.margin > excess:
                break
            weights.append(W / np.linalg.norm(W))
            self.basis_ = _row_space(np.vstack(weights))
            if progress is not None:
                progress(iteration + 1, self.n_iterations, f"balanced accuracy {accuracy:.3f}")
        self.accuracies_ = np.array(accuracies)
        return self

    def _transform(self, X):
        return apply_low_rank(X, np.zeros(X.shape[1]), self.basis_, self.basis_)

    def _add_to(self, graph, x):
        return add_affine_map(graph, x, self._transform, self.n_features_in_)


def _classify(X, codes, regularisation):
    """Return the weights (n_rows, n_features) of a classifier, and its balanced accuracy."""
    classifier = LogisticRegression(
        C=1 / regularisation, solver="newton-cholesky", class_weight="balanced", max_iter=200
    )
    predicted = classifier.fit(X, codes).predict(X)
    return classifier.coef_, balanced_accuracy_score(codes, predicted)


def _row_space(W):
    """Return an orthonormal basis, shape (rank, n_features), of the rows of ``W``."""
    _, s, vt = np.linalg.svd(W, full_matrices=False)
    return vt[: int((s > 1e-6 * s[0]).sum())]
