"""The web page in a real browser, against a real service with stand-ins for its models."""

import base64
import functools
import http.server
import io
import json
import re
import threading
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

for module in ("fastapi", "uvicorn", "pebble", "prometheus_client", "PIL", "cv2"):
    pytest.importorskip(module, reason="needs the extra serve")
pytest.importorskip("playwright", reason="needs playwright")

from PIL import Image  # noqa: E402

from sfumato.data.simulate import write_simulated  # noqa: E402

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture
def photo(photo_of):
    """Return a photo with two faces, as bytes and as an image."""
    image = photo_of((40, 60, 80), (200, 80, 60))
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue(), image


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "people.parquet"
    return write_simulated(path, 70, 2) and path


def choose(page, content, name="photo.png"):
    page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})
    page.locator("#status", has_text=name).wait_for()


def focused(page):
    return page.evaluate("document.activeElement.id")


def tab_to(page, wanted):
    for _ in range(40):
        if focused(page) == wanted:
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not lead to {wanted}")


def result(page):
    page.wait_for_selector("#result:not([hidden])")
    assert focused(page) == "result-title"


def test_hide_compare_and_download_by_keyboard_alone(page, photo):
    # Who listens first when the key is pressed may be too late for the chooser to be caught.
    page.on("filechooser", lambda _: None)
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    tab_to(page, "file")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    content = {"name": "me.png", "mimeType": "image/png", "buffer": photo[0]}
    chooser.value.set_files(content)
    tab_to(page, "hide-age")
    page.keyboard.press("Space")
    tab_to(page, "show-age")
    page.keyboard.press("o")  # "old"
    tab_to(page, "protect")
    with page.expect_request("**/protect/photo**") as request:
        page.keyboard.press("Enter")
    assert "hide=gender%2Cage%3Dold" in request.value.url
    result(page)
    tab_to(page, "slider")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    slider = page.locator("#slider")
    assert slider.input_value() == "53"
    assert slider.get_attribute("aria-valuetext").startswith("47 %")
    clip = page.locator("#after").evaluate("e => getComputedStyle(e).clipPath")
    assert clip == "inset(0px 0px 0px 53%)"
    tab_to(page, "download")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "me-protected.png"
    saved = Path(download.value.path()).read_bytes()
    assert saved.startswith(b"\x89PNG")
    changed = (np.array(Image.open(io.BytesIO(saved))) != photo[1]).any(-1)
    assert changed[100, 80] and changed[110, 230] and not changed[:, 300:].any()


def test_a_photo_that_takes_long_to_decode_is_waited_for(page, photo):
    page.evaluate("""() => {
        const decode = HTMLImageElement.prototype.decode;
        HTMLImageElement.prototype.decode = async function () {
            await new Promise((done) => setTimeout(done, 1000));
            return decode.call(this);
        };
    }""")
    content = {"name": "slow.png", "mimeType": "image/png", "buffer": photo[0]}
    page.set_input_files("#file", content)
    with page.expect_request("**/protect/photo**", timeout=20_000):
        page.click("#protect")
    result(page)
    assert page.locator("#error").inner_text() == ""


def test_what_machines_read_before_and_after(page, photo):
    choose(page, photo[0])
    page.click("#protect")
    result(page)
    assert page.locator(".face h3").all_inner_texts() == ["Face 1", "Face 2"]
    card = page.locator(".face").first
    assert "A matcher" in card.locator(".match").inner_text()
    assert re.search(r"template said (fe)?male, (still|now) says", card.inner_text())
    card.locator("summary").click()
    assert card.locator("thead").inner_text().split() == ["before", "after"]
    cells = card.locator("tr", has_text="Gender").locator("td").all_inner_texts()
    assert all(re.search(r"male (over )?\d+ %", cell) for cell in cells) and len(cells) == 2
    age = card.locator("tr", has_text="Age").first
    assert re.search(r"\d+ years \d+ to \d+", age.inner_text())
    sure = card.locator("td", has_text="%")
    shown = [int(re.search(r"(\d+) %", text)[1]) / 100 for text in sure.all_inner_texts()]
    bars = sure.locator(".fill")
    widths = bars.evaluate_all("all => all.map(e => e.offsetWidth / e.parentNode.offsetWidth)")
    assert min(shown) < 0.9
    assert np.allclose(widths, shown, atol=0.03)


def test_one_of_several_faces(page, photo):
    choose(page, photo[0])
    page.click("#protect")
    result(page)
    page.get_by_label("Face 2").check()
    assert page.locator(".face h3").all_inner_texts() == ["Face 2"]
    enlarged = page.locator("#before").evaluate("e => e.width")
    page.uncheck("#zoom")
    assert page.locator("#before").evaluate("e => e.width") > enlarged
    with page.expect_request("**face=1**"):
        page.click("#protect")
    page.locator("#status", has_text="changed 1 face;").wait_for()
    page.get_by_label("Face 1").check()
    assert "This face is as it was" in page.locator("#readings").inner_text()
    choose(page, photo[0], "another.png")
    with page.expect_request(lambda request: "hide=" in request.url) as request:
        page.click("#protect")
    assert "face=" not in request.value.url


def test_the_class_is_drawn_where_none_is_named(page, photo):
    choose(page, photo[0])
    assert page.locator("#random").is_checked()
    page.select_option("#show-gender", "male")
    with page.expect_request("**at_random=true&hide=gender%3Dmale"):
        page.click("#protect")
    result(page)
    page.select_option("#show-gender", "")
    with page.expect_request("**at_random=true&hide=gender"):
        page.click("#protect")
    page.locator("#result-title:focus").wait_for()


def test_several_photos_to_choose_from(page, photo):
    one = {"mimeType": "image/png", "buffer": photo[0]}
    page.set_input_files("#file", [{"name": name, **one} for name in ("a.png", "b.png")])
    page.get_by_label("b.png").check()
    assert page.locator("#status").inner_text() == "b.png is chosen."


def test_a_dropped_photo(page, photo):
    kept = page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "dropped.png", {type: "image/png"}));
          const box = document.getElementById("drop");
          const how = {dataTransfer: data, bubbles: true, cancelable: true};
          return !box.dispatchEvent(new DragEvent("drop", how));
        }""",
        list(photo[0]),
    )
    page.locator("#status", has_text="dropped.png is chosen.").wait_for()
    assert kept, "the browser would leave the page to show the file"


def test_a_wrong_photo_and_none(page, photo_of):
    page.click("#protect")
    assert page.locator("[role=alert]").inner_text() == "Choose a photo first."
    choose(page, b"no photo", "<b>notes</b>.txt")
    assert "cannot show <b>notes</b>.txt" in page.locator("#status").inner_text()
    page.click("#protect")
    page.locator("#error", has_text="photo: not an image").wait_for()
    assert page.locator("#result").is_hidden()


def test_without_a_perturber_the_page_only_describes(page, photo):
    can = {"encoder": "e", "hides": {}, "reads": ["dlib"], "takes_out": [], "pid": 1}
    page.route("**/readyz", lambda route: route.fulfill(json=can))
    page.reload()
    page.wait_for_selector("#cannot:not([hidden])")
    assert page.locator("#protect").is_hidden() and page.locator("#can").is_hidden()
    choose(page, photo[0])
    page.route("**/describe?**", answer_describe)
    page.click("#describe")
    result(page)
    assert page.locator("#pictures").is_hidden()
    assert page.locator("tbody").inner_text().split() == ["Gender", "female", "91", "%"]


def answer_describe(route):
    box = {"left": 40.0, "top": 60.0, "right": 120.0, "bottom": 140.0}
    gender = {"label": "female", "probability": 0.912}
    face = {"face": 0, "box": box, "score": 1.0, "gender": gender}
    route.fulfill(body=json.dumps({"note": "", "faces": [face]}))


@pytest.mark.parametrize("stays", [False, True])
def test_a_key_is_asked_for_and_kept_no_longer_than_wished(page, photo, stays):
    def locked(route):
        if route.request.headers.get("x-api-key") == "right":
            route.continue_()
        else:
            route.fulfill(status=401, body='{"error": "give a valid key."}')

    page.route("**/v1/**", locked)
    choose(page, photo[0])
    page.click("#protect")
    page.wait_for_selector("#key-dialog[open]")
    page.keyboard.press("Escape")
    assert "Without a key" in page.locator("#error:not(:empty)").inner_text()
    page.click("#protect")
    for secret, said in (("wrong", ""), ("right", "give a valid key.")):
        page.fill("#key", secret)
        assert page.locator("#key-said").text_content() == said
        page.set_checked("#key-stays", stays)
        with page.expect_response("**/v1/**"):
            page.keyboard.press("Enter")
    result(page)
    stored = page.evaluate("JSON.stringify([sessionStorage, localStorage])")
    assert stored == ('[{"sfumato-key":"right"},{}]' if stays else "[{},{}]")


def audit(page, address, table, attributes):
    page.goto(f"{address}templates.html")
    page.set_input_files("#file", table)
    page.fill("#attributes", attributes)
    page.keyboard.press("Enter")


def test_an_audit_from_the_table_to_its_report(page, address, table):
    audit(page, address, table, "gender")
    page.wait_for_selector("#progress-line:not([hidden])")
    page.locator("#status", has_text="Attackers are being trained").wait_for()
    result(page)
    said = page.locator("#verdicts .card").inner_text()
    assert re.search(r"right [\d.]+ times in 100; guessing is right 50 times", said)
    frame = page.frame_locator("#report")
    assert frame.locator("h1").inner_text() == "What the templates give away"
    # Its own styles are let in.
    assert "Georgia" in frame.locator("h1").evaluate("e => getComputedStyle(e).fontFamily")
    tab_to(page, "open")
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    assert opened.value.locator("h1").inner_text() == "What the templates give away"
    with page.expect_download() as download:
        page.click("#save")
    assert Path(download.value.path()).read_text().startswith("<!doctype html>")
    mine = page.locator("#open").get_attribute("href")
    page.click("#stop")
    page.wait_for_selector("#result", state="hidden")
    assert page.request.get(f"{address}{mine}").status == 404


def test_the_columns_are_read_off_the_footer(page, address, table):
    page.goto(f"{address}templates.html")
    page.set_input_files("#file", table)
    page.get_by_label("race", exact=True).check()
    page.get_by_label("gender", exact=True).check()
    assert page.locator("#columns label").all_inner_texts() == ["gender", "race"]
    assert page.input_value("#attributes") == "race, gender"
    page.get_by_label("race", exact=True).uncheck()
    assert page.input_value("#attributes") == "gender"
    assert "140 rows" in page.locator("#chosen").inner_text()


@pytest.mark.parametrize("where", ["", "templates.html"])
def test_what_is_too_large_is_refused_before_it_is_sent(page, address, where):
    can = {"encoder": "e", "hides": {"gender": []}, "reads": [], "takes_out": [], "pid": 1}
    can["limits"] = {"photo_bytes": 2_000_000, "table_bytes": 2_000_000}
    page.route("**/readyz", lambda route: route.fulfill(json=can))
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "/v1/" in request.url else None)
    with page.expect_response("**/readyz"):
        page.goto(f"{address}{where}")
    content = {"name": "big.png", "mimeType": "image/png", "buffer": bytes(2_000_001)}
    page.set_input_files("#file", content)
    said = "big.png has 2.1 MB; this service takes at most 2 MB. Nothing was sent."
    page.locator("#error", has_text=said).wait_for()
    if where:
        page.fill("#attributes", "gender")
    page.click("button[type=submit]")
    page.locator("#error", has_text=said).wait_for()
    assert sent == []


def test_a_failure_is_said_above_the_picture(page, photo):
    choose(page, photo[0])
    page.route("**/protect/photo**", answer_failure)
    page.click("#protect")
    result(page)
    said = page.locator("#verdict").inner_text()
    assert said.startswith("It did not work: machines still read what was to be hidden.")
    assert "What to try next" in said and "Exactly: gender still read" in said
    places = [page.locator(f"#{name}").bounding_box()["y"] for name in ("verdict", "pictures")]
    assert places == sorted(places)
    assert "The machines disagree" in page.locator(".face .alarm").inner_text()
    assert page.is_checked("#zoom")


def answer_failure(route):
    def reading(before, after):
        both = {"before": before, "after": after}
        return {"gender": {when: {"label": both[when], "probability": 0.9} for when in both}}

    box = {"left": 40.0, "top": 60.0, "right": 120.0, "bottom": 140.0}
    readings = {"dlib": reading("male", "female"), "pixels": reading("male", "male")}
    match = {"metric": "cosine", "score": 0.5, "threshold": 0.4, "fmr": 0.001, "accepted": True}
    hide = {"gender": {"n_succeeded": 0, "n_failed": 1}}
    content = io.BytesIO()
    Image.new("RGB", (320, 240)).save(content, "PNG")
    found = {
        "photo": base64.b64encode(content.getvalue()).decode(),
        "faces": [{"face": 0, "box": box, "check": {"readings": readings, "match": match}}],
        "skipped": [],
        "notes": [],
        "verdict": {"hide": hide, "text": ["gender still read"]},
    }
    route.fulfill(json=found)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", "Name the column"),
        ("mood", "table: unknown label column 'mood'; it has: gender, race."),
    ],
)
def test_a_wrong_column(page, address, table, attributes, expected):
    audit(page, address, table, attributes)
    assert page.locator("#error:not(:empty)").inner_text().startswith(expected)


def test_a_wrong_table(page, address, tmp_path):
    (tmp_path / "notes.txt").write_text("no table")
    audit(page, address, tmp_path / "notes.txt", "gender")
    page.locator("#error", has_text="table: not a readable Parquet file").wait_for()


@pytest.mark.parametrize(("viewport", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")])
def test_accessible(page, address, photo, viewport, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe").Axe()
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    choose(page, photo[0])
    page.click("#protect")
    result(page)
    for summary in page.locator("summary").all():
        summary.click()
    check_page(page, axe, viewport)
    page.goto(f"{address}templates.html")
    page.evaluate(SHOW_ALL)
    check_page(page, axe, viewport)


SHOW_ALL = """
for (const e of document.querySelectorAll("[hidden]:not(iframe)")) e.hidden = false;
document.getElementById("error").textContent = "Something is wrong.";
document.getElementById("save").href = document.getElementById("open").href = "#";
"""


def check_page(page, axe, viewport):
    found = axe.run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


EVIL = """
<form method="post" enctype="text/plain" target="frame"><input name="a" value="b"></form>
<iframe name="frame"></iframe>
<script>
async function attack(service) {
  const simple = {mode: "no-cors", method: "POST", body: "a"};
  const urls = ["v1/audits?attribute=a", "v1/describe", "v1/gallery/people/delete"];
  await Promise.allSettled(urls.map((url) => fetch(service + url, simple)));
  await Promise.allSettled([fetch(service + "v1/gallery", {mode: "no-cors"})]);
  document.forms[0].action = service + "v1/audits?attribute=form";
  document.forms[0].submit();
}
</script>
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def answered(address):
    """Return how many answers a service has given, by status."""
    with urllib.request.urlopen(f"{address}metrics") as answer:
        lines = re.findall(r'requests_total{.*status="(\d+)"} (\d+)', answer.read().decode())
    return sum((Counter({status: int(count)}) for status, count in lines), Counter())


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_page_of_another_site_reaches_nothing(browser, address, tmp_path, name):
    (tmp_path / "evil.html").write_text(EVIL)
    handler = functools.partial(Quiet, directory=tmp_path)
    before = answered(address)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://{name}:{server.server_address[1]}/evil.html")
        with page.expect_response("**/v1/audits?attribute=form"):
            page.evaluate("service => attack(service)", address)
        server.shutdown()
        context.close()
    assert answered(address) - before == {"403": 5, "200": 1}  # Itself asked once.
