import copy

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sfumato.data.planted import planted
from sfumato.erasers.angular import AngularEraser, _Centroids, step

torch = pytest.importorskip("torch")

from sfumato.erasers._adversarial_training import Batch, Game, Nets, Optimizers  # noqa: E402
from sfumato.losses.angular import centroid_angle, opposite_angle  # noqa: E402
from sfumato.nets.heads import CosineHead  # noqa: E402


def mean_angle(X, y):
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    first, second = (unit[y == label].mean(axis=0) for label in (0, 1))
    return np.arccos(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


@pytest.mark.parametrize("known", [True, False])
def test_the_angle_between_the_classes_means_shrinks(known):
    X, y, identity = planted("linear", n_identities=1200, images_per_identity=3, n_features=8)
    X += 2 * np.outer(y, X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0))
    fitted, seen = identity < 300, (identity >= 300) & (identity < 900)
    unseen = identity >= 900
    eraser = AngularEraser(n_epochs=10, n_hidden=32, learning_rate=3e-3)
    eraser.fit(X[fitted], y[fitted], identity=identity[fitted] if known else None)
    Z = eraser.transform(X)
    # Over 4 seeds 2.97 +- 0.05 and 0.06 +- 0.01.
    assert mean_angle(X[unseen], y[unseen]) > 1.5
    assert mean_angle(Z[unseen], y[unseen]) < 1
    # What the notes warn of: rows that gather round one direction are still told apart.
    attacker = make_pipeline(StandardScaler(), SVC()).fit(Z[seen], y[seen])
    # Over 4 seeds 0.98 +- 0.02.
    assert attacker.score(Z[unseen], y[unseen]) > 0.85


def test_a_step_descends_on_the_three_terms():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 3, generator=generator, dtype=torch.float64)
    encoder = torch.nn.Linear(3, 3, dtype=torch.float64)
    with torch.no_grad():
        encoder.weight.normal_(generator=generator)
    head = CosineHead(torch.randn(4, 3, generator=generator, dtype=torch.float64), 16.0)
    rows = torch.arange(8)
    labels, people, twin = rows % 2, rows % 4, copy.deepcopy(encoder)
    centroids = torch.stack([head.weight[::2].mean(dim=0), head.weight[1::2].mean(dim=0)])

    z = twin(x)
    task = torch.nn.functional.cross_entropy(head(z), people)
    first, second = centroid_angle(z, labels), opposite_angle(z, labels, centroids)
    parameters = [*twin.parameters(), *head.parameters()]
    gradients = torch.autograd.grad(task + 5 * first + 2 * second, parameters, retain_graph=True)
    expected = [p - 0.1 * g for p, g in zip(parameters, gradients, strict=True)]

    sgd = [torch.optim.SGD(net.parameters(), 0.1) for net in (encoder, head)]
    figures = step(
        Nets(encoder, head, []),
        Batch(x, people, [labels]),
        Optimizers(*sgd, []),
        centroid_weight=5,
        opposite_weight=2,
        centroids=centroids,
    )
    assert figures["primary"] == pytest.approx(task.item())
    assert figures["centroids"] == pytest.approx(first.item())
    assert figures["opposite"] == pytest.approx(second.item())
    ours = [*encoder.parameters(), *head.parameters()]
    for mine, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_centroids_are_means_of_the_weights_of_a_classs_people():
    X = np.eye(4, dtype=np.float32)
    labels, people = np.array([0, 1, 1, 0]), np.array([2, 0, 1, 2])
    game = Game(X, [labels], people, "identity", 0)
    head = CosineHead(torch.tensor([[1.0, 0], [0, 1], [-1, 0]]))
    with torch.no_grad():
        head.weight[0] *= 5  # Lengths play no part.
    # Persons 0 and 1 are of class 1, person 2 of class 0.
    found = _Centroids(game)(head).detach().numpy()
    np.testing.assert_allclose(found, [[-1, 0], [0.5**0.5, 0.5**0.5]], atol=1e-6)
