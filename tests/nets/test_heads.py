import pytest

torch = pytest.importorskip("torch")

from sfumato.nets.heads import (  # noqa: E402
    AttributeHead,
    CosineHead,
    PReluEncoder,
    ResidualEncoder,
    linear,
    scaled,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_encoder_starts_as_the_identity():
    x = scaled(torch.randn(7, 5, generator=generator()))
    encoder = ResidualEncoder(5, 8, generator())
    torch.testing.assert_close(encoder(x), x)
    with torch.no_grad():
        encoder.second.bias += 1
    assert (encoder(x) - x).abs().max() > 0.1
    torch.testing.assert_close(encoder(x).norm(dim=1), torch.full((7,), 5**0.5))


def test_scaled_rows_have_mean_square_one_and_zero_stays_zero():
    rows = scaled(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    torch.testing.assert_close(rows, torch.tensor([[3.0, 4.0], [0.0, 0.0]]) * 2**0.5 / 5)


def test_cosine_head_by_hand():
    # cos(45 degrees) = 1 / sqrt(2) to both axes, whatever the lengths.
    head = CosineHead(torch.tensor([[2.0, 0.0], [0.0, 9.0], [-1.0, 0.0]]), scale=10.0)
    expected = torch.tensor([[1.0, 1.0, -1.0]]) * 10 / 2**0.5
    torch.testing.assert_close(head(torch.tensor([[5.0, 5.0]])), expected)


def test_attribute_head_is_the_naive_network():
    head = AttributeHead(3, 4, 2, generator(), activation=torch.selu)
    z = torch.randn(6, 3, generator=generator(1))
    hidden = torch.selu(z @ head.hidden.weight.T + head.hidden.bias)
    torch.testing.assert_close(head(z), hidden @ head.output.weight.T + head.output.bias)


def test_layers_are_drawn_from_the_generator_alone():
    state = torch.random.get_rng_state()
    first, second = (linear(3, 4, generator(5)).weight for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, linear(3, 4, generator(6)).weight)
    assert torch.equal(state, torch.random.get_rng_state())


def test_prelu_encoder_starts_as_an_isometry_before_the_slope():
    encoder = PReluEncoder(3, 5, generator())
    x = torch.randn(6, 3, generator=generator(1))
    hidden = encoder.layer(x)
    torch.testing.assert_close(hidden @ hidden.T, x @ x.T)
    z = torch.where(hidden > 0, hidden, 0.25 * hidden)
    torch.testing.assert_close(encoder(x), scaled(z))


def test_sampled_logits_hold_the_batch_and_as_many_others_as_fit():
    weights = torch.randn(50, 3, generator=generator())
    head = CosineHead(weights, n_sampled=7, generator=generator(2))
    z, labels = torch.randn(5, 3, generator=generator(1)), torch.tensor([49, 3, 3, 20, 49])
    logits, columns = head.batch_logits(z, labels)
    assert logits.shape == (5, 7)
    every = head(z)
    own = every.gather(1, labels[:, None])
    torch.testing.assert_close(logits.gather(1, columns[:, None]), own)
    # Each column is one of the classes, and no class is there twice.
    drawn = {int((every[0] - value).abs().argmin()) for value in logits[0]}
    assert len(drawn) == 7
    assert drawn >= {3, 20, 49}
    others = {int((every[0] - v).abs().argmin()) for v in head.batch_logits(z, labels)[0][0]}
    assert others != drawn


@pytest.mark.parametrize("n_sampled", [None, 4, 9])
def test_few_classes_are_all_taken(n_sampled):
    head = CosineHead(torch.randn(4, 3, generator=generator()), n_sampled=n_sampled)
    z, labels = torch.randn(2, 3, generator=generator(1)), torch.tensor([1, 2])
    logits, columns = head.batch_logits(z, labels)
    assert torch.equal(columns, labels)
    assert torch.equal(logits, head(z))
