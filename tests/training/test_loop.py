"""The device and its precision."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")

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
