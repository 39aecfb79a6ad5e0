"""Make the docs' picture of a report: the recommended eraser on LFW, whom it never saw.

    SFUMATO_DATA=... python scripts/report_picture.py CACHE docs/report.png

The eraser is fitted as in the leaderboard, on CelebA's training people and UTKFace's adults;
attackers train on protected templates of 70 % of LFW's people and are tested on the others. The
report, which holds no face, is left beside the cached templates. Needs playwright and Chromium.
"""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from sfumato.audit.protocol import audit
from sfumato.erasers.barycentre import BarycentreEraser
from sfumato.reproduce.erasers_leaderboard import ACROSS, MAX_TRAIN, Gender
from sfumato.reproduce.experiment import Context
from sfumato.reproduce.templates import FaceTemplates

WIDTH, MARGIN, COLOURS = 1000, 16, 128
LAST = "section .card:has(svg)"  # The first block with a chart ends the picture.


def main(cache, output, seed=0):
    """Fit, audit, write the report and take its picture."""
    data = Gender.read(Context(FaceTemplates(cache=cache), "full", (seed,)))
    X, y, identity, labels = data.fit_rows(seed)
    eraser = BarycentreEraser(seed=seed).fit(X, y, identity=identity, context=labels)
    train, test = (
        side | {"protected": eraser.transform(side["X"].astype(np.float32))}
        for side in data.sections(seed)[ACROSS]
    )
    found = audit(**train, test=test, attribute="gender", max_train_rows=MAX_TRAIN, seed=seed)
    page = Path(cache) / "report.html"
    found.save(page)
    photograph(page.absolute(), output)


def photograph(page, output):
    """Take a picture of a report from its top to its first chart's block."""
    chromium = os.environ.get("SFUMATO_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        tab.goto(page.as_uri())
        chart = tab.locator(f"{LAST} .chart").first.bounding_box()
        height = chart["y"] + chart["height"] + MARGIN
        tab.screenshot(
            path=output, full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height}
        )
        browser.close()
    Image.open(output).convert("RGB").quantize(COLOURS).save(output, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
