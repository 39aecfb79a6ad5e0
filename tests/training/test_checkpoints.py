import pytest

from sfumato.errors import InputError

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.training._checkpoints import load_state, save_state  # noqa: E402


def test_an_optimizers_state_comes_back(tmp_path):
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    net(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    save_state(tmp_path / "s.safetensors", {"o": optimizer.state_dict(), "n": net.state_dict()})
    found = load_state(tmp_path / "s.safetensors")
    other = torch.nn.Linear(3, 2)
    again = torch.optim.Adam(other.parameters(), lr=0.5)
    other.load_state_dict(found["n"])
    again.load_state_dict(found["o"])
    assert again.param_groups[0]["lr"] == 0.1
    for a, b in ((net, other),):
        assert torch.equal(a.weight, b.weight)
    for a, b in zip(optimizer.state.values(), again.state.values(), strict=True):
        assert torch.equal(a["exp_avg"], b["exp_avg"]) and a["step"] == b["step"]


def test_plain_values_keep_their_types(tmp_path):
    state = {"a": {0: None, "1": [1, 2.5, "x", True, []]}, "b": {}, "t": torch.tensor(7)}
    save_state(tmp_path / "s.safetensors", state)
    assert load_state(tmp_path / "s.safetensors") == state


def test_shared_memory_is_no_obstacle(tmp_path):
    weight = torch.arange(6.0)
    save_state(tmp_path / "s.safetensors", {"a": weight, "b": weight[2:]})
    assert load_state(tmp_path / "s.safetensors")["b"].tolist() == [2, 3, 4, 5]


def test_foreign_files_are_refused(tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name, what in (
        ("none", "no such file"),
        ("broken", "not a readable"),
        ("other", "but not a ch"),
    ):
        with pytest.raises(InputError, match=what):
            load_state(tmp_path / f"{name}.safetensors")
