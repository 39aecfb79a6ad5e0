"""The device and its precision: bfloat16 where it is fast, one rule for what is accepted."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.errors import InputError  # noqa: E402
from sfumato.perturbers.recipes import PerturberRecipe  # noqa: E402
from sfumato.readers.recipes import ReaderRecipe  # noqa: E402
from sfumato.training.loop import fast_precision, make_fabric  # noqa: E402


@pytest.mark.parametrize(
    ("can", "expected"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, "bf16-mixed"),
        ({"amx_bf16": True}, "bf16-mixed"),
        ({"avx512_bf16": False}, "32-true"),
        ({}, "32-true"),
    ],
)
def test_bfloat16_where_the_processor_has_it(monkeypatch, can, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can)
    assert fast_precision(torch.device("cpu")) == expected
    fabric = make_fabric("cpu", precision="auto")
    net = fabric.setup(torch.nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        net.weight.copy_(torch.eye(2))
        found = net(torch.tensor([[1 + 2**-10, 1.0]]))
    # bfloat16 keeps eight bits: the last of 1 + 2^-10 is lost.
    assert (found[0, 0] == 1) == (expected == "bf16-mixed") and found.dtype == torch.float32


def test_other_devices_keep_single_precision():
    assert fast_precision(torch.device("meta")) == "32-true"


@pytest.mark.parametrize("recipe", [ReaderRecipe, PerturberRecipe])
@pytest.mark.parametrize("name", ["accelerator", "precision"])
@pytest.mark.parametrize("value", ["banana", "", "16-mixed", "tpu", 64, None])
def test_recipes_and_the_loop_refuse_the_same_devices(recipe, name, value):
    with pytest.raises(InputError, match=f"{name} must be one of '(32-true|auto)', "):
        recipe(1, 4, learning_rate=0.1, **{name: value})
    with pytest.raises(InputError, match=f"^{name} must be one of '(32-true|auto)', "):
        make_fabric(**{name: value})


def test_a_missing_device_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("cuda", "gpu", "mps"):
        with pytest.raises(
            InputError, match=f"^accelerator '{name}': 1 needed, this machine has 0"
        ):
            make_fabric(name)
    assert make_fabric("auto").device.type == "cpu"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name in ("auto", "cuda", "gpu"):
        with pytest.raises(InputError, match=f"'{name}': 2 needed, this machine has 1; accel"):
            make_fabric(name, devices=2)
