import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from sfumato.audit.protocol import audit
from sfumato.audit.verdicts import headline, in_100, price, verdict
from sfumato.data.planted import planted

FAST = {"attackers": ["logistic regression", "quadratic discriminant"], "n_resamples": 100}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    X, y, identity = planted("linear", 150)
    y = ["<script>alert(1)</script>" if value else "b" for value in y]
    result = audit(X, y, identity=identity, protected=X + 1, attribute="gender", **FAST)
    path = tmp_path_factory.mktemp("report") / "report.html"
    result.save(path)
    return result, path.read_text(encoding="utf-8")


class Balance(HTMLParser):
    """Collect tags that were opened and not closed."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_else(page):
    _, text = page
    parser = Balance()
    parser.feed(text)
    assert parser.open == []
    assert not re.search(r"<(script|link|img|iframe)\b|url\((?!#)|@import", text)
    outside = re.findall(r'(?:href|src)="(?!#)([^"]*)"', text)
    assert outside == []


def test_the_page_shows_the_figures(page):
    result, text = page
    for leakage in (result.before, result.after):
        low, high = leakage.headline.ci95
        assert f"{leakage.headline.balanced_accuracy:.3f}" in text
        assert f"[{low:.3f}, {high:.3f}]" in text
    eer = result.matching["original-original"].result["eer"]["value"]
    assert f"{eer:.4f}" in text
    assert text.count("<svg") == 10  # Five charts, and the same for phones.
    for words in ("What this does not show", "Alarms", "t-SNE", "Seed", "GDPR", "scikit-learn"):
        assert words in text


def test_labels_cannot_inject_markup(page):
    _, text = page
    assert "<script>" not in text and "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("ci95", "starts"),
    [
        ([0.501, 0.7], "Gender is readable"),
        ([0.5, 0.7], "No attacker of this suite"),
        ([0.4, 0.5], "No attacker of this suite"),
        ([0.4, 0.499], "Below chance"),
    ],
)
def test_the_verdict_claims_no_more_than_the_interval(page, ci95, starts):
    result, _ = page
    before = result.before
    headline = replace(before.headline, ci95=ci95)
    changed = replace(before, attacks={before.strongest: headline})
    assert verdict(replace(result, before=changed, after=None)).startswith(starts)
    assert "still readable" in verdict(result)


def test_counts_too_small_for_an_alarm_are_notes(tmp_path):
    X, y, identity = planted("linear", 150)
    X[7], identity[-1] = X[-1], 0
    result = audit(X, y, identity=identity, attribute="gender", **FAST)
    result.save(tmp_path / "report.html")
    (note,) = (text for text in result.structure["notes"] if "near-identical" in text)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Notes on the rows" in text and note in text


@pytest.mark.parametrize(
    ("value", "ci95", "starts"),
    [
        (
            0.996,
            [0.99, 0.999],
            "Gender can be read off the templates: the best attacker is right 99.6",
        ),
        (
            0.55,
            [0.45, 0.6],
            "No attacker of this audit reads gender off the templates better than",
        ),
        (0.4, [0.3, 0.49], "Attackers are wrong about gender more often than guessing"),
    ],
)
def test_the_headline_is_plain_and_claims_no_more_than_the_interval(page, value, ci95, starts):
    result, _ = page
    before = result.before
    found = replace(before.headline, balanced_accuracy=value, ci95=ci95)
    changed = replace(before, attacks={before.strongest: found})
    said = headline(replace(result, before=changed, after=None))
    assert said.startswith(starts) and "guessing is right 50 times" in said
    assert "still be read off the protected templates" in headline(result)


def test_the_order_of_the_page(page):
    result, text = page
    marks = (
        "verdict",
        "What it costs.",
        "Alarms</h3>",
        "In full:",
        "Every attacker",
        "For the file",
    )
    places = [text.index(mark, text.index("<h2>")) for mark in marks]
    assert places == sorted(places)
    assert in_100(result.after.headline.balanced_accuracy) in headline(result)


def test_the_price_counts_misses_of_the_matcher(page):
    result, _ = page
    raw, protected = (
        result.matching[name].result["tmr_at_fmr"]
        for name in ("original-original", "protected-protected")
    )
    assert f"accept 1 in {round(1 / raw['fmr']):,} pairs" in price(result)
    assert f"misses {in_100(1 - protected['value'])} of 100" in price(result)
    assert f"before protection, {in_100(1 - raw['value'])}." in price(result)
    assert price(replace(result, matching=None)) is None


def test_every_table_has_a_caption_and_every_chart_says_what_it_shows(page):
    _, text = page
    assert text.count("<table") == text.count("<caption>") > 5
    charts = re.findall(r'role="img" aria-label="Chart: ([^"]*)"', text)
    assert len(charts) == text.count("<svg") and min(map(len, charts)) > 30
