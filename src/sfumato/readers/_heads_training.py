"""Training of a domain-adaptation classifier in torch."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from sfumato.nets.dense import dense_arrays
from sfumato.nets.heads import AttributeHead
from sfumato.outcomes import Progress
from sfumato.training.loop import make_fabric, run_epochs


def train_head(
    reader: Any, X: NDArray[Any], codes: NDArray[np.int64], progress: Progress | None = None
) -> dict[str, NDArray[Any]]:
    """Return the trained layers of f_k and of its softmax as arrays.

    Parameters
    ----------
    reader : DomainAdaptationClassifier
        Holds the parameters.
    X : ndarray of shape (n_samples, n_features)
        float32 rows of unit length.
    codes : ndarray of int64 of shape (n_samples,)
        Class numbers.

    Returns
    -------
    dict of str to ndarray
    """
    fabric, rng = make_fabric(), np.random.default_rng(reader.seed)
    generator = torch.Generator().manual_seed(reader.seed)
    head = AttributeHead(X.shape[1], reader.n_units, int(codes.max()) + 1, generator)
    head, optimizer = fabric.setup(
        head, torch.optim.Adam(head.parameters(), lr=reader.learning_rate, fused=True)
    )
    rows, labels = (fabric.to_device(torch.from_numpy(array)) for array in (X, codes))

    def step(numbers):
        numbers = torch.from_numpy(numbers)
        loss = functional.cross_entropy(head(rows[numbers]), labels[numbers])
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        return {"loss": loss.item()}

    def report(epoch, means):
        if progress is not None:
            progress(epoch + 1, reader.n_epochs, f"loss {means['loss']:.3f}")

    run_epochs(
        step,
        len(X),
        batch_size=reader.batch_size,
        n_epochs=reader.n_epochs,
        rng=rng,
        report=report,
    )
    return dense_arrays([head.module.hidden, head.module.output])
