"""The experiments that draw: what they read of drawn templates, and their pictures."""

from sfumato.reproduce.writing import write_result


def measure(name, measured, tmp_path):
    result = measured(name)
    picture = {"figure3": "curves", "figure4": "curves", "figure5": "maps"}[name.split("-")[1]]
    if name in ("sensitivenets-figure4", "blinded-figure3"):
        picture = "maps"
    paths = write_result(result, tmp_path / "out")
    assert tmp_path / "out" / f"{name}-{picture}.svg" in paths
    return {(row.section, row.name): row.cells for row in result.findings.rows}


def test_fewer_features_tell_less(measured, tmp_path):
    found = measure("sensitivenets-figure3", measured, tmp_path)
    for attribute in ("gender", "ethnicity"):
        for classifier in ("softmax layer", "RBF SVM"):
            row = found[attribute, classifier]
            assert row["0% removed"].mean > 0.75
            assert row["0% removed"].mean > row["90% removed"].mean > row["chance"].mean


def test_fewer_features_tell_less_of_emotions(measured, tmp_path):
    found = measure("blinded-figure4", measured, tmp_path)
    for row in found.values():
        assert row["0% removed"].mean > 0.7
        assert row["0% removed"].mean > row["90% removed"].mean
    (published,) = [c.published for row in found.values() for c in row.values() if c.published]
    assert published == 0.70


def test_map_before_and_after_sensitivenets(measured, tmp_path):
    found = measure("sensitivenets-figure4", measured, tmp_path)
    for label in ("gender", "ethnicity", "both"):
        row = found["purity on the map", label]
        assert row["x"].mean > row["chance"].mean + 0.2
        assert row["SensitiveNets"].mean < row["x"].mean


def test_f3_shows_emotions_better_than_the_template(measured, tmp_path):
    found = measure("blinded-figure3", measured, tmp_path)
    before, after = (found["purity on the map", name]["purity"].mean for name in ("x", "f_3(x)"))
    assert after > before > found["purity on the map", "x"]["chance"].mean


def test_f3_after_sensitivenets(measured, tmp_path):
    found = measure("blinded-figure5", measured, tmp_path)
    names = [name for _, name in found]
    assert names == ["f_3(x)", "f_3(phi(x))", "f_3(standardised phi(x))"]
    before, after = (found["purity on the map", name]["purity"].mean for name in names[:2])
    assert before > 0.5
    assert after < before
