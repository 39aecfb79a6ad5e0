"""Galleries over HTTP: what the library does, for whoever may, and one line for all else."""

import base64
import errno
import io
import json
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

for module in ("fastapi", "pebble", "httpx2", "prometheus_client", "PIL", "cv2", "lancedb"):
    pytest.importorskip(module, reason="needs the extras serve and gallery")

import pyarrow.parquet as pq  # noqa: E402
from PIL import Image  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import sfumato.cli.commands  # noqa: E402, F401
from sfumato.cli import app  # noqa: E402
from sfumato.data.info import TableInfo  # noqa: E402
from sfumato.data.simulate import simulate  # noqa: E402
from sfumato.data.tables import FaceTable  # noqa: E402
from sfumato.erasers.leace import LeaceEraser  # noqa: E402
from sfumato.errors import InputError, StorageError  # noqa: E402
from sfumato.files import locked  # noqa: E402
from sfumato.gallery import Gallery, ProtectedTemplates  # noqa: E402
from sfumato.models import SavedModel, save  # noqa: E402
from sfumato.service import galleries, work  # noqa: E402
from sfumato.service.app import Settings, make_app  # noqa: E402
from sfumato.service.galleries import made_by, names_of  # noqa: E402
from sfumato.service.keys import KeyFile  # noqa: E402
from sfumato.service.limits import Limits  # noqa: E402
from sfumato.service.work import Models  # noqa: E402

RAW = TableInfo(None, "dlib-resnet", "55533b28a958", 128, "euclidean")
LIMITS = Limits(a_minute=100_000, json_bytes=2_000_000, work_seconds=120)
URL = "/v1/gallery/people"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with an eraser, an empty gallery and two templates of each of 6 people."""
    folder = tmp_path_factory.mktemp("galleries")
    faces = simulate(200, 2)
    eraser = LeaceEraser().fit(faces["embedding"], faces["gender"])
    model = SavedModel(eraser, ("gender",), RAW)
    save(model, folder / "m.safetensors")
    info = RAW.transformed(model.step, dimension=128, normalisation="none")
    X = eraser.transform(faces["embedding"][:12])
    gallery = Gallery.create(
        folder / "people.gallery", ProtectedTemplates(X, info, list("abcdefghijkl"))
    )
    np.save(folder / "x.npy", X)
    gallery.calibrate(ProtectedTemplates(X, info, range(12), np.repeat(range(6), 2)))
    return folder


@pytest.fixture(scope="module")
def service(folder):
    """Return a client of a service with two workers, an eraser and a gallery."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import stand_ins

    models = stand_ins.StandIns(
        eraser=str(folder / "m.safetensors"), galleries=(str(folder / "people.gallery"),)
    )
    settings = Settings(models=models, limits=LIMITS, workers=2, hosts=("testserver",))
    with TestClient(make_app(settings), raise_server_exceptions=False) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.1)
        yield client
    sys.path.pop(0)


@pytest.fixture
def gallery(folder):
    return Gallery(folder / "people.gallery")


@pytest.fixture
def X(folder):
    return np.load(folder / "x.npy").tolist()


@pytest.fixture
def body(gallery):
    """Return a function that makes a request of templates by their ids."""

    def make(templates, person="Ada", **more):
        items = [{"id": name, "person": person, "embedding": x} for name, x in templates.items()]
        return {"made_by": made_by(gallery.info), "templates": items} | more

    return make


def photo_of(shade):
    image = np.full((240, 320, 3), 100, np.uint8)
    image[60:140, 40:120] = (200, 20, shade)
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def names(service):
    return {row["person"]: row["n_templates"] for row in people(service)["people"]}


def people(service, query=""):
    return service.get(f"{URL}/people{query}").json()


def test_enrol_verify_identify_export_and_delete(service, gallery, body, X, tmp_path):
    done = service.post(f"{URL}/enrol", json=body({"t1": X[0], "t2": X[1], "t1 ": X[2]})).json()
    assert (done["n_rows"], done["n_enrolled"], done["rejects"]) == (3, 3, [])
    assert service.post(f"{URL}/enrol", json=body({"e1": X[4]}, "Eve")).status_code == 200
    again = service.post(f"{URL}/enrol", json=body({"t1": X[0], "t3": X[3]})).json()
    assert again["n_enrolled"] == 1
    reason = "template id is in the gallery already"
    assert again["rejects"] == [{"row": 0, "template": "t1", "reason": reason}]
    found = service.post(f"{URL}/verify", json=body({"p": X[0]}, fmr=0.1)).json()
    [probe] = found["probes"]
    assert probe["person"] == "Ada" and probe["accepted"] and abs(probe["score"]) < 1e-3
    assert found["threshold"]["fmr"] == 0.1
    probes = [{"id": "p", "embedding": X[4]}, {"id": "q", "embedding": [9.0] * 128}]
    asked = {"made_by": made_by(gallery.info), "templates": probes, "threshold": -0.1}
    found = service.post(f"{URL}/identify", json=asked).json()
    assert [probe["person"] for probe in found["probes"]] == ["Eve", None]
    assert people(service, "?first=1&limit=1") == {
        "n_people": 2, "people": [row for row in gallery.list() if row["person"] == "Eve"]
    }  # fmt: skip
    table = tmp_path / "out.parquet"
    table.write_bytes(service.get(f"{URL}/export").content)
    assert FaceTable(table).check().info == gallery.info
    assert sorted(pq.read_table(table)["image_id"].to_pylist()) == ["e1", "t1", "t1 ", "t2", "t3"]
    for name, n_templates in {"Ada": 4, "Eve": 1}.items():
        gone = service.post(f"{URL}/delete", json={"person": name}).json()
        assert gone == {
            "person": name,
            "n_templates": n_templates,
            "index_removed": False,
            "unknown_files": [],
        }
    assert names(service) == {}


def test_a_photo_is_protected_compared_and_kept_nowhere(service, body, folder, X):
    photo = base64.b64decode(photo_of(20))
    protected = service.post("/v1/embed", content=photo).json()["faces"][0]["embedding"]

    def with_photo(**more):
        item = {"id": "photo", "person": "Phil", "photo": photo_of(20)}
        return {"templates": [item]} | more

    assert service.post(f"{URL}/enrol", json=with_photo()).json()["n_enrolled"] == 1
    found = service.post(f"{URL}/verify", json=with_photo(threshold=-0.01)).json()
    assert found["n_accepted"] == 1
    table = pq.read_table(io.BytesIO(service.get(f"{URL}/export").content))
    np.testing.assert_allclose(table["embedding"].to_pylist(), [protected], atol=1e-6)
    [probe] = with_photo()["templates"]
    del probe["person"]
    found = service.post(f"{URL}/identify", json={"templates": [probe], "threshold": -1}).json()
    assert found["probes"][0]["person"] == "Phil"
    both = body({"mixed": X[0]}, "Phil")
    both["templates"] += with_photo()["templates"]
    assert service.post(f"{URL}/verify", json=both | {"threshold": -1}).json()["n_probes"] == 2
    both["made_by"] |= {"erasers": ["leace:0"]}
    answer = service.post(f"{URL}/verify", json=both | {"threshold": -1})
    assert answer.status_code == 422 and "requests of their own" in answer.json()["error"]
    for content, part in ((base64.b64encode(b"%PDF-1.7").decode(), "not an image"),
                          ("%%%%", "base64"), ("QUJD" * 10**5, "not an image")):  # fmt: skip
        sent = {"templates": [{"id": "i", "person": "Phil", "photo": content}]}
        answer = service.post(f"{URL}/enrol", json=sent)
        assert answer.status_code == 422 and part in answer.json()["error"]
    pixels = photo[40:80]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files and not any(pixels in path.read_bytes() for path in files)
    service.post(f"{URL}/delete", json={"person": "Phil"})


def test_two_at_once_lose_nothing_and_block_nobody(service, gallery, body, X, folder):
    def enrol(number):
        sent = body({f"{number}-{n}": X[n] for n in range(5)}, f"person {number}")
        return service.post(f"{URL}/enrol", json=sent)

    with ThreadPoolExecutor(4) as threads:
        started = time.monotonic()
        first = list(threads.map(enrol, (8, 9)))
        assert [answer.json()["n_enrolled"] for answer in first] == [5, 5]
        long = 4 * (time.monotonic() - started)
        with locked(folder / "people.gallery" / "lock", alone=False):
            answers = [threads.submit(enrol, number) for number in range(4)]
            time.sleep(long)
            # Both workers wait for the lock; the service does not.
            assert service.get("/healthz").status_code == 200
            assert not any(answer.done() for answer in answers)
        assert [answer.result().json()["n_enrolled"] for answer in answers] == [5] * 4
    everybody = (0, 1, 2, 3, 8, 9)
    assert names(service) == {f"person {number}": 5 for number in everybody}
    for number in everybody:
        gallery.delete(f"person {number}")


def test_names_that_look_like_sql_stand_for_themselves_alone(service, body, X):
    odd = [
        "x' OR '1'='1",
        "'; DROP TABLE templates; --",
        "O\u2019Brien 'n' \"co\"",
        "%",
        "a_b",
        "100",
    ]
    service.post(f"{URL}/enrol", json=body({"ada": X[0]}))
    for number, name in enumerate(odd):
        answer = service.post(f"{URL}/delete", json={"person": name})
        assert answer.status_code == 422 and "is not enrolled" in answer.json()["error"]
        answer = service.post(f"{URL}/verify", json=body({"p": X[0]}, name, threshold=-9))
        assert answer.json() == {"error": "templates, row 0: the person is not enrolled."}
        assert answer.status_code == 422
        sent = body({f"t{number} ' OR 1=1 --": X[number]}, name)
        assert service.post(f"{URL}/enrol", json=sent).json()["n_enrolled"] == 1
    assert names(service) == dict.fromkeys(["Ada", *odd], 1)
    for name in [*odd, "Ada"]:
        found = service.post(f"{URL}/verify", json=body({"p": X[0]}, name, threshold=-9)).json()
        assert [probe["person"] for probe in found["probes"]] == [name]
        assert service.post(f"{URL}/delete", json={"person": name}).json()["n_templates"] == 1
    assert names(service) == {}


HOSTILE_NAMES = [
    "../x", "/etc/passwd", "a/../../b", "..\\x", "~/x", "./x", "", "a" * 257, "a\nb", "a\x00",
    "\x1b[2J", "a\u2028b",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_get_one_line(name, service, body, X):
    for sent in (body({name: X[0]}), body({"t": X[0]}, name)):
        answer = service.post(f"{URL}/enrol", json=sent)
        error = answer.json()["error"]
        assert answer.status_code == 422 and error.startswith("templates.0."), error
        assert error.isprintable() and len(error) < 250
    assert service.post(f"{URL}/delete", json={"person": name}).status_code == 422


def test_hostile_templates_get_one_line(service, body, X, gallery):
    maker = made_by(gallery.info)
    x, steps = X[0], maker["erasers"]
    for change, part in (
        ({"x": x[:-1]}, "row 0: has 127 numbers, those of gallery people have 128"),
        ({"x": [str(v) for v in x]}, "templates.0.embedding.0"),
        ({"x": [[v] for v in x]}, "templates.0.embedding.0"),
        ({"x": [True] * 128}, "templates.0.embedding.0"),
        ({"x": {}}, "templates.0.embedding"),
        ({"x": [float("nan")] + x[1:]}, "finite"),
        ({"x": [float("inf")] + x[1:]}, "finite"),
        ({"x": [1e300] + x[1:]}, "row 0: missing, NaN or infinite"),
        ({"x": [0.0] * 128}, "row 0: a template of zeros"),
        ({"erasers": []}, "raw templates of [dlib-resnet"),
        ({"erasers": ["leace:feed"]}, f"eraser leace:feed, but this gallery holds templates of "
                                      f"eraser {steps[0]}"),
        ({"erasers": steps * 2}, "but this gallery holds"),
        ({"encoder": "other"}, "encoder other 55533b28a958, but"),
        ({"encoder": None}, "encoder of the templates is unknown"),
        ({"metric": "cosine"}, "metric cosine, but"),
        ({"metric": "x"}, "metric must be one of"),
        ({"more": 1}, "made_by.more"),
    ):  # fmt: skip
        sent = body({"t": change.pop("x", x)})
        sent["made_by"] |= change
        answer = service.post(
            f"{URL}/enrol", content=json.dumps(sent), headers={"content-type": "application/json"}
        )
        error = answer.json()["error"]
        assert answer.status_code == 422 and part in error and "\n" not in error, error
    assert names(service) == {}


def test_bad_requests_get_one_line(service, body, X, folder):
    def status(path="/enrol", gallery="people", kind="application/json", **sent):
        answer = service.post(
            f"/v1/gallery/{gallery}{path}", headers={"content-type": kind}, **sent
        )
        assert "\n" not in answer.json()["error"] and str(folder) not in answer.text
        return answer.status_code

    good = json.dumps(body({"t": X[0]}))
    # A form of another site's page can send text, but not call it JSON.
    assert status(kind="text/plain", content=good) == 415 and names(service) == {}
    assert status(kind="", content=good) == 415
    assert status(content=b"{") == status(content=b"\xff") == 422
    assert status(content=b"[" * 100_000) == 413
    assert status(content=b'{"templates": "\\ud800"}') == 422
    assert status(content=b"") == 400 and status(content=b" " * 2_000_001) == 413
    for gallery in ("other", "people.gallery", "%2e%2e", "..%2fpeople.gallery"):
        assert status(gallery=gallery, content=good) in (404, 405)
    no_maker = json.loads(good) | {"made_by": None}
    assert status(json=no_maker) == 422
    assert status(json=json.loads(good) | {"templates": []}) == 422
    assert status(json=json.loads(good) | {"templates": [{"id": "a", "person": "b"}]}) == 422
    for limit in ({}, {"fmr": 0.1, "threshold": 1}, {"fmr": 0}, {"fmr": 1e-9}):
        assert status("/verify", json=json.loads(good) | limit) == 422
    assert status("/delete", json={"person": "nobody"}) == 422
    for query in ("limit=0", "limit=1e9", "first=-1", "first=x"):
        assert service.get(f"{URL}/people?{query}").status_code == 422


def test_scopes_part_comparing_reading_and_writing(folder, monkeypatch):
    keys = KeyFile(folder / "keys.json")
    scopes = ("gallery-compare", "gallery-read", "gallery-write", "photos")
    secrets = {scope: keys.create(scope, [scope]) for scope in scopes}
    settings = Settings(keys=str(keys.path), limits=LIMITS, hosts=("testserver",))
    client = TestClient(make_app(settings))  # Without workers: only who may ask is asked.
    for scope, method, paths in (
        ("gallery-compare", "GET", ("", "/people")),
        ("gallery-compare", "POST", ("/people/verify", "/people/identify")),
        ("gallery-read", "GET", ("/people/people", "/people/export")),
        ("gallery-write", "POST", ("/people/enrol", "/people/delete")),
    ):
        for path in paths:
            found = {
                name: client.request(method, f"/v1/gallery{path}", headers={"x-api-key": secret})
                for name, secret in secrets.items()
            }
            assert {name for name, a in found.items() if a.status_code != 403} == {scope}
            if path:
                assert found[scope].status_code == 404
                assert "--gallery FOLDER" in found[scope].json()["error"]
            assert client.request(method, f"/v1/gallery{path}").status_code == 401


def test_logs_and_metrics_hold_no_names(service, body, X, caplog):
    with caplog.at_level(logging.DEBUG):
        service.post(f"{URL}/enrol", json=body({"Jane-1": X[0]}, "Jane"))
        service.post(f"{URL}/verify", json=body({"Jane-2": X[0]}, "Jane", threshold=-1))
        service.post(f"{URL}/delete", json={"person": "Jane"})
        service.get("/v1/gallery/Jane/export")
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("sfumato"))
    assert "POST /v1/gallery/{gallery}/enrol 200" in ours
    text = service.get("/metrics").text
    assert "Jane" not in ours + text and str(X[0][0])[:8] not in ours + text
    assert 'sfumato_gallery_templates_total{outcome="accepted"}' in text


def test_openapi_describes_every_body(service):
    found = service.get("/openapi.json").json()
    for path, operations in found["paths"].items():
        for operation in operations.values():
            kinds = operation.get("requestBody", {}).get("content", {})
            reference = kinds.get("application/json", {}).get("schema", {}).get("$ref")
            assert reference is None or reference.split("/")[-1] in found["components"]["schemas"]
            if path.startswith(f"{URL.rpartition('/')[0]}/") and kinds:
                assert reference and kinds["application/json"]["examples"]


def test_served_names(tmp_path):
    assert names_of(["a/people.gallery", "staff"]) == {
        "people": "a/people.gallery", "staff": "staff",
    }  # fmt: skip
    with pytest.raises(InputError, match="would both be served as 'people'"):
        names_of(["a/people.gallery", "people"])
    found = CliRunner().invoke(app, ["serve", "--gallery", str(tmp_path)])
    assert "not a gallery" in str(found.exception)


def test_damage_and_faults_of_the_disk_are_told_without_paths(service, gallery, body, X, folder):
    """A client learns what state is left; the log says where."""
    rows = next(gallery.path.rglob("_versions/*.manifest"))
    rows.rename(aside := folder / "aside")
    try:
        for answer in (
            service.get(URL), service.get(f"{URL}/people"), service.get(f"{URL}/export"),
            service.post(f"{URL}/delete", json={"person": "Ada"}),
            service.post(f"{URL}/verify", json=body({"p": X[0]}, threshold=0.5)),
        ):  # fmt: skip
            error = answer.json()["error"]
            assert answer.status_code == 503 and str(folder) not in error, answer.text
            assert error.startswith("gallery people: its files cannot be read or written; ")
    finally:
        aside.rename(rows)
    lock = gallery.path / "lock"
    lock.rename(aside)
    lock.mkdir()
    try:
        answer = service.get(URL)
        assert answer.status_code == 422 and str(folder) not in answer.text
    finally:
        lock.rmdir()
        aside.rename(lock)
    assert service.get(URL).status_code == 200


def test_a_full_disk_is_told_with_the_state_that_is_left(gallery, folder, monkeypatch):
    """Of the log it is raised, as LanceDB writes where no fault can be put without a disk."""
    models = Models(galleries=(str(folder / "people.gallery"),))
    monkeypatch.setattr(work, "_loaded", work.Loaded(models, None, None, None), raising=False)
    place = gallery.path / "audit.jsonl"

    def full(*args, **counts):
        raise OSError(errno.ENOSPC, "No space left on device", str(place))

    monkeypatch.setattr("sfumato.gallery._log.AuditLog.append", full)
    with pytest.raises(StorageError) as error:
        galleries.delete("people", b'{"person": "Nobody"}')
    assert str(error.value).startswith("gallery people: its files cannot be read or written; ")
    assert "Nobody" in str(error.value) and str(folder) not in str(error.value)
