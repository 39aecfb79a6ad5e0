import numpy as np
import pytest

from sfumato.reproduce._maps import draw_maps, purity, tsne


def test_purity_by_hand():
    # Each point's two nearest neighbours, from left: (b c), (a c), (b a); (e f), (d f), (e d).
    # Labels x x y | y y y: a, b: 1 of 2; c: 0 of 2; d, e, f: all. x: 1/2; y: (0 + 3) / 4.
    points = np.array([[0.0], [1.0], [2.1], [50.0], [51.0], [52.1]])
    value, chance = purity(points, ["x", "x", "y", "y", "y", "y"], n_neighbours=2)
    assert value == pytest.approx((0.5 + 0.75) / 2)
    # Of the five others, one is x for an x and three are y for a y.
    assert chance == pytest.approx((1 / 5 + 3 / 5) / 2)


def test_random_labels_are_at_chance(rng):
    y = rng.choice(["a", "b", "c"], size=3000, p=[0.6, 0.3, 0.1])
    value, chance = purity(rng.normal(size=(3000, 2)), y)
    assert value == pytest.approx(chance, abs=0.02)


def test_map_shows_clusters_that_nearly_coincide(rng):
    # Relative to the templates' length the clusters are 1e-3 apart, as after SensitiveNets.
    y = np.repeat(["a", "b", "c"], 60)
    centres = np.eye(8)[np.repeat([0, 1, 2], 60)]
    X = 5 * rng.normal(size=8) + 1e-3 * centres + 1e-4 * rng.normal(size=(180, 8))
    points = tsne(X)
    assert points.shape == (180, 2)
    assert purity(points, y)[0] > 0.95
    np.testing.assert_array_equal(points, tsne(X))


def test_every_class_is_in_the_legend(rng):
    maps = {"one": rng.normal(size=(30, 2)), "two": rng.normal(size=(30, 2))}
    figure = draw_maps(maps, np.array(["a", "b", "c"] * 10))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "c"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["one", "two"]
