"""How perturbers are trained: plain values, without torch."""

from dataclasses import dataclass

from sfumato.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """How long a perturber trains, and on what.

    Parameters
    ----------
    n_iterations : int
        Batches.
    batch_size : int, default=16
    learning_rate : float, default=1e-4
        Of Adam.
    n_rounds : int, default=20
        After so many equal parts of the iterations the log and curves are written.
    n_samples : int, default=0
        Training faces, at most 64, of which PrivacyNet and SANs write the outputs into
        ``samples.png`` of the training's folder after every round.
    precision : str, default="32-true"
        Of Lightning Fabric; "auto": "bf16-mixed" where the machine is faster so.
    accelerator : str, default="auto"
        Of Lightning Fabric.
    """

    n_iterations: int
    batch_size: int = 16
    learning_rate: float = 1e-4
    n_rounds: int = 20
    n_samples: int = 0
    precision: str = "32-true"
    accelerator: str = "auto"

    def __post_init__(self):
        if min(self.n_iterations, self.batch_size, self.n_rounds) < 1:
            raise InputError("n_iterations, batch_size and n_rounds must be at least 1.")

    @property
    def round_iterations(self):
        """Batches of one round."""
        return -(-self.n_iterations // self.n_rounds)
