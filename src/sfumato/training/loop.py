"""The training loop: epochs, batches, seed and device. It knows no method."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from sfumato._constraints import POSITIVE_INT, StrOptions, check_argument
from sfumato.errors import InputError
from sfumato.validation import need

#: What every training runs on and computes in. Others of Lightning's are left out: frozen networks
#: stay in single precision, and steps in half precision would need a scaler.
ACCELERATOR = StrOptions(["auto", "cpu", "cuda", "gpu", "mps"])
PRECISION = StrOptions(["auto", "32-true", "bf16-mixed"])


def make_fabric(accelerator: str = "auto", *, precision: str = "32-true", devices: int = 1) -> Any:
    """Return a Lightning Fabric on one device (a GPU if there is one), or on several.

    Where only the whole package ``lightning`` is installed, its own Fabric serves.
    ``precision="auto"`` is :func:`fast_precision`. With several ``devices`` (on a CPU: processes)
    its strategy is distributed data parallel, for :mod:`sfumato.training.processes`.

    Raises
    ------
    InputError
        For another accelerator or precision, or where the machine has no such device.
    """
    check_argument(accelerator, ACCELERATOR, "accelerator")
    check_argument(precision, PRECISION, "precision")
    check_argument(devices, POSITIVE_INT, "devices")
    _check_devices(accelerator, devices)
    name = "lightning_fabric" if find_spec("lightning_fabric") else "lightning.fabric"
    fabric = need(name, "deep").Fabric
    if precision == "auto":
        precision = fast_precision(fabric(accelerator=accelerator, devices=1).device)
    options = {} if devices == 1 else {"strategy": "ddp_spawn"}
    return fabric(accelerator=accelerator, devices=devices, precision=precision, **options)


def _check_devices(accelerator, devices):
    torch = need("torch", "deep")
    found = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    found["gpu"] = found["auto"] = max(found.values())
    # Without a GPU "auto" is the CPU, of which each process has its own part.
    if accelerator == "cpu" or accelerator == "auto" and not found["auto"]:
        return
    if found[accelerator] < devices:
        raise InputError(
            f"accelerator {accelerator!r}: {devices} needed, this machine has "
            f"{found[accelerator]}; accelerator 'cpu' runs anywhere."
        )


def fast_precision(device: Any) -> Any:
    """Return "bf16-mixed" where the device computes in bfloat16 by itself, else "32-true".

    On a CPU with AVX-512 BF16 or AMX a training step takes 0.7 times as long.
    """
    torch = need("torch", "deep")
    if device.type == "cpu":
        can = torch.cpu.get_capabilities()
        fast = any(can.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    else:
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if fast else "32-true"


def run_epochs(
    step: Callable[..., Any],
    n_samples: int,
    *,
    batch_size: int,
    n_epochs: int,
    rng: np.random.Generator,
    report: Callable[..., Any] | None = None,
) -> list[dict[str, Any]]:
    """Call ``step`` on shuffled batches of row numbers, epoch after epoch.

    Parameters
    ----------
    step : callable
        ``step(rows) -> dict of str to float`` makes one update on the rows (an int64 array).
    n_samples, batch_size, n_epochs : int
    rng : numpy.random.Generator
        Shuffles.
    report : callable, optional
        ``report(epoch, means)`` after each epoch, with the step's figures averaged.

    Returns
    -------
    list of dict
        The averaged figures of each epoch.
    """
    history = []
    for epoch in range(n_epochs):
        order = rng.permutation(n_samples)
        figures = [
            step(order[start : start + batch_size]) for start in range(0, n_samples, batch_size)
        ]
        means = {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
        history.append(means)
        if report is not None:
            report(epoch, means)
    return history
