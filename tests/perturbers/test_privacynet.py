"""PrivacyNet: it learns what it should on drawn pictures, goes on, and stops at a NaN."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra deep")

from sfumato.errors import InputError  # noqa: E402
from sfumato.perturbers.baseline_gan import BaselineGan  # noqa: E402
from sfumato.perturbers.privacynet import PrivacyNetPerturber  # noqa: E402
from sfumato.perturbers.recipes import PerturberRecipe  # noqa: E402

SIZE = 32


# Along the rows, so that a mirrored picture has the same.
STRIPES = 0.15 * np.sign(np.sin(np.arange(SIZE) * np.pi / 2 + 0.1))[:, None]


class Blobs(torch.nn.Module):
    """A matcher that sees eight by eight pixels at a time: blobs, no stripes."""

    def forward(self, x):
        cells = torch.nn.functional.avg_pool2d(x, 8).flatten(1)
        return torch.nn.functional.normalize(cells - cells.mean(dim=1, keepdim=True), dim=1)


def draw(n, seed=0):
    """Return pictures: the stripes' sign is the gender, the blobs are the person."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    blobs = np.kron(rng.random((n, 3, 4, 4)), np.ones((8, 8)))
    images = 0.3 + 0.4 * blobs + 0.02 * rng.normal(size=(n, 3, SIZE, SIZE))
    images += np.where(y == 1, 1, -1)[:, None, None, None] * STRIPES
    return images.clip(0, 1).astype(np.float32), {"gender": np.array(["female", "male"])[y]}


def said(images):
    """Return what an unseen classifier says: it looks at the sign of the stripes."""
    return np.where((images * STRIPES).sum(axis=(1, 2, 3)) > 0, "male", "female")


def fit(recipe=None, folder=None, progress=None, adversaries=(), **parameters):
    parameters = {"size": SIZE, "width": 8, "residual": True, "n_critic": 1} | parameters
    return PrivacyNetPerturber(**parameters).fit(
        *draw(256), matcher=Blobs(), recipe=recipe or PerturberRecipe(6, 8, n_rounds=3),
        adversaries=adversaries, folder=folder, progress=progress,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    recipe = PerturberRecipe(120, 16, learning_rate=2e-3, n_rounds=2)
    return fit(recipe, attribute_weight=4.0, matching_weight=4.0)


def test_hidden_it_is_misread_kept_it_is_read(trained):
    images, labels = draw(200, 1)
    truth = labels["gender"]
    assert (said(images) == truth).mean() > 0.99
    hidden = trained.transform(images, hide="gender", labels=labels)
    assert (said(hidden) == truth).mean() < 0.2
    shown = trained.transform(images, hide={"gender": "male"}, labels=labels)
    assert (said(shown)[truth == "male"] == "male").mean() > 0.95


def test_strength_is_a_factor_on_the_change(trained):
    images, labels = draw(20, 5)
    images = 0.4 + 0.2 * images  # far from black and white, where changes are cut off
    whole, half = (
        clone(trained, strength).transform(images, hide="gender", labels=labels) - images
        for strength in (1.0, 0.5)
    )
    inside = np.abs(images + whole - 0.5) < 0.49
    np.testing.assert_allclose(half[inside], whole[inside] / 2, atol=1e-6)
    assert np.abs(whole).max() > 0.05
    with pytest.raises(InputError, match="strength must be a number > 0, got 0"):
        fit(strength=0)


def clone(trained, strength):
    return copy.copy(trained).set_params(strength=strength)


def test_the_person_stays(trained):
    images, labels = draw(100, 2)
    hidden = trained.transform(images, hide="gender", labels=labels)
    with torch.no_grad():
        a, b = (Blobs()(torch.from_numpy(x)).numpy() for x in (images, hidden))
    # On 6 seeds 0.97 +- 0.05, 0.88 at least; of two people 0.00 +- 0.01.
    assert (a * b).sum(axis=1).mean() > 0.6
    assert ((a @ b.T).argmax(axis=1) == np.arange(100)).mean() > 0.9


def test_it_reads_labels_itself(trained):
    images, labels = draw(200, 3)
    hidden = trained.transform(images, hide="gender")
    assert (said(hidden) == labels["gender"]).mean() < 0.3


def test_drawn_among_all_half_stay(trained):
    images, labels = draw(400, 4)
    found = trained.transform(images, hide="gender", labels=labels, at_random=True)
    assert 0.35 < (said(found) == labels["gender"]).mean() < 0.65


def test_interrupted_it_ends_with_the_same_weights(tmp_path):
    whole = fit()

    def cut_off(done, total, what):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(folder=tmp_path, progress=cut_off)
    again = fit(folder=tmp_path)
    for name, values in whole.generator_.items():
        np.testing.assert_array_equal(again.generator_[name], values)
    assert again.history_ == whole.history_
    assert (tmp_path / "curves.png").is_file() and (tmp_path / "log.json").is_file()


def test_a_nan_stops_it_and_the_last_good_checkpoint_stays(tmp_path):
    images, labels = draw(64)

    class Broken(Blobs):
        calls = 0

        def forward(self, x):
            Broken.calls += 1
            found = super().forward(x)
            return found * float("nan") if Broken.calls > 20 else found

    recipe, kept = PerturberRecipe(12, 8, n_rounds=4), {"size": SIZE, "width": 4, "n_critic": 1}
    with pytest.raises(InputError, match="the training diverged"):
        PrivacyNetPerturber(**kept).fit(
            images, labels, matcher=Broken(), recipe=recipe, folder=tmp_path
        )
    # Mended, the run goes on from there.
    found = PrivacyNetPerturber(**kept).fit(
        images, labels, matcher=Blobs(), recipe=recipe, folder=tmp_path
    )
    assert all(np.isfinite(values).all() for values in found.generator_.values())
    assert len(found.history_) == 4


def test_the_wanted_template_is_another():
    seen = []

    def wanted(templates):
        seen.append(templates)
        return -3 * templates

    images, labels = draw(64)
    method = PrivacyNetPerturber(size=SIZE, width=4, n_critic=1)
    recipe = PerturberRecipe(1, 8, n_rounds=1)
    method.fit(images, labels, matcher=Blobs(), wanted=wanted, recipe=recipe)
    np.testing.assert_allclose(np.linalg.norm(seen[0], axis=1), 1, rtol=1e-5)
    plain = PrivacyNetPerturber(size=SIZE, width=4, n_critic=1)
    plain.fit(images, labels, matcher=Blobs(), recipe=recipe)
    # |R(X') - R(X)|^2 and |R(X') + R(X)|^2 of unit vectors add up to 4, at the first step.
    both = [m.history_[0]["matching"] for m in (method, plain)]
    assert sum(both) == pytest.approx(4, abs=1e-3) and min(both) > 0


def test_a_matcher_of_weight_0_is_only_watched():
    found = fit(PerturberRecipe(2, 8, n_rounds=1), matching_weight=0.0)
    assert "matching" not in found.history_[0] and "cosine" in found.history_[0]


def test_the_control_takes_no_matcher():
    with pytest.raises(InputError, match="takes no matcher; use privacynet"):
        BaselineGan(size=SIZE, width=4).fit(*draw(16), matcher=Blobs(), recipe=PerturberRecipe(1))


class Stripes(torch.nn.Module):
    """An adversary that looks at one number: the mean over the stripes, times its weight."""

    def __init__(self, weight=40.0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))
        stripes = torch.from_numpy(STRIPES / np.abs(STRIPES).sum() / SIZE).float()
        self.register_buffer("stripes", stripes)

    def forward(self, x):
        return self.weight * (x * self.stripes).sum(dim=(1, 2, 3))[:, None]


def test_adversaries_are_fooled_and_what_was_given_stays_as_it_was():
    pytest.importorskip("kornia", reason="needs the extra deep")
    recipe = PerturberRecipe(4, 8, n_rounds=2)
    given = Stripes()
    plain, fooling = fit(recipe), fit(recipe, adversaries=[given])
    assert float(given.weight.detach()) == 40.0
    assert "adversary" in fooling.history_[0] and "adversary" not in plain.history_[0]
    assert any(
        not np.array_equal(plain.generator_[name], fooling.generator_[name])
        for name in plain.generator_
    )


def test_with_adversaries_too_an_interrupted_run_ends_with_the_same_weights(tmp_path):
    pytest.importorskip("kornia", reason="needs the extra deep")

    def cut_off(done, total, what):
        if done == 4:
            raise KeyboardInterrupt

    whole = fit(adversaries=[Stripes(), Stripes(-1.0)]).generator_
    with pytest.raises(KeyboardInterrupt):
        fit(adversaries=[Stripes(), Stripes(-1.0)], folder=tmp_path, progress=cut_off)
    again = fit(adversaries=[Stripes(), Stripes(-1.0)], folder=tmp_path).generator_
    assert all(np.array_equal(whole[name], again[name]) for name in whole)
    with pytest.raises(InputError, match=r"other settings \(adversaries\)"):
        fit(folder=tmp_path)


def test_samples_show_every_class_of_some_faces_where_asked_for(tmp_path):
    pytest.importorskip("PIL", reason="needs the extra faces")
    from sfumato.faces.photos import read_photo

    fit(PerturberRecipe(2, 8, n_rounds=1), folder=tmp_path / "none")
    assert not (tmp_path / "none" / "samples.png").exists()
    fit(PerturberRecipe(2, 8, n_rounds=1, n_samples=3), folder=tmp_path / "some")
    sheet = read_photo(tmp_path / "some" / "samples.png")
    assert sheet.shape == (3 * SIZE + 4, 3 * SIZE + 4, 3)  # the original, female, male
