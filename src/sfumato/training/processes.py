"""A training in several processes of one machine: each takes its part of every batch.

The processes hold the same network. Each runs its rows through it; what comes out is brought
together, so that all have the loss of the whole batch, whatever the loss is (weighted classes,
rows without a label). The gradients of the processes' own rows add up to the one that a single
process would have had.
"""

import copy
import mmap
import multiprocessing
import threading
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sfumato.errors import InputError
from sfumato.files import scratch_folder
from sfumato.outcomes import Progress
from sfumato.training._checkpoints import load_state, save_state


def train_on(
    fabric: Any,
    function: Callable[..., Any],
    net: Any,
    *args: Any,
    progress: Progress | None = None,
) -> object:
    """Train a network by ``function(fabric, net, *args, progress)``, in all processes.

    Parameters
    ----------
    fabric : Fabric
        Of :func:`sfumato.training.loop.make_fabric`.
    function : callable
        Of a module. It trains ``net`` in place and returns plain values that JSON holds.
    net : Module
        Has the trained weights afterwards.
    *args
        Sent to the processes by pickle; memory-mapped arrays are opened there, not copied.
    progress : callable, optional
        Called here, with what the first process tells.

    Returns
    -------
    object
        What the first process returned.

    Raises
    ------
    InputError
        What the function raised in each.
    """
    if n_processes(fabric) == 1:
        return function(fabric, net, *args, progress)
    ForkingPickler.register(np.memmap, _reopened)
    with scratch_folder() as folder, _heard(progress) as told:
        path = folder / "trained.safetensors"
        # By a file: Fabric waits for the processes' end before it takes what they return, and
        # a large network would never get through.
        work = partial(_in_process, work=(function, net, args), told=told, path=str(path))
        problem = fabric.launch(work)
        if problem is not None:
            raise InputError(problem)
        state = load_state(path)
    net.load_state_dict(state["net"])
    return state["found"]


def n_processes(fabric: Any) -> Any:
    """Return how many processes a Fabric trains in; 1 for None."""
    return 1 if fabric is None else fabric.world_size


def prepare(fabric: Any, net: Any, optimizer: Any) -> Any:
    """Return both ready for the processes; batch norm counts whole batches where it can.

    On GPUs it becomes PyTorch's SyncBatchNorm, which there is not for CPUs: on those each process
    normalises its part of a batch by that part's own statistics.
    """
    if n_processes(fabric) > 1 and fabric.device.type != "cpu":
        net = torch.nn.SyncBatchNorm.convert_sync_batchnorm(net)
    return fabric.setup(net, optimizer)


def own_part(rows: Any, fabric: Any) -> Any:
    """Return this process's part of a batch's rows; one that would get none gets the first."""
    if n_processes(fabric) == 1:
        return rows
    part = np.array_split(rows, fabric.world_size)[fabric.global_rank]
    return part if len(part) else rows[:1]


def of_batch(values: Tensor, n_rows: int, fabric: Any) -> Tensor:
    """Return what all processes' parts gave, in the order of the batch's rows.

    Parameters
    ----------
    values : Tensor of shape (n_own_rows, ...)
    n_rows : int
        Of the whole batch.
    fabric : Fabric

    Returns
    -------
    Tensor of shape (n_rows, ...)
        The gradient goes to this process's own rows alone. Gradients are averaged over the
        processes, so that of a batch is had by ``backward(n_processes(fabric) * loss)``.
    """
    n = n_processes(fabric)
    if n == 1:
        return values
    sizes = [len(part) for part in np.array_split(np.arange(n_rows), n)]
    missing = max(sizes) - len(values)
    if missing > 0:
        values = torch.cat([values, values.new_zeros(missing, *values.shape[1:])])
    parts = [torch.empty_like(values) for _ in sizes]
    torch.distributed.all_gather(parts, values.detach().contiguous())
    parts[fabric.global_rank] = values
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


def _in_process(fabric, work, told, path):
    function, net, args = work
    net = copy.deepcopy(net)  # Tensors that are sent are in memory that the processes share.
    first = fabric.global_rank == 0
    progress = (lambda *news: told.put(news)) if first and told is not None else None
    try:
        found = function(fabric, net, *args, progress)
    except InputError as error:
        return str(error)
    finally:
        # Else the threads of the process group live on while the interpreter ends: now and
        # then one of them aborts the process, and all of the training is lost.
        torch.distributed.destroy_process_group()
    if first:
        save_state(path, {"net": net.state_dict(), "found": found})
    return None


@contextmanager
def _heard(progress):
    """Give a queue of which every entry is told to ``progress`` here; None if there is none."""
    if progress is None:
        yield None
        return
    told = multiprocessing.get_context("spawn").SimpleQueue()

    def listen():
        while (news := told.get()) is not None:
            progress(*news)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield told
    finally:
        told.put(None)
        listener.join()


def _reopened(array):
    """Return how a memory-mapped array is opened in another process; a part of one too."""
    # NumPy makes an empty part a plain array; its stubs do not know the map.
    whole = array._mmap if isinstance(array, np.memmap) else None  # type: ignore[attr-defined]
    if whole is None or array.filename is None or not array.flags.c_contiguous:
        return _as_array, (np.array(array),)
    start = np.frombuffer(whole, np.uint8).ctypes.data
    at = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY + array.ctypes.data - start
    return _open_mapped, (str(array.filename), array.dtype, at, array.shape)


def _as_array(array):
    return array


def _open_mapped(path, dtype, offset, shape):
    return np.memmap(path, dtype, "r", offset, shape)
