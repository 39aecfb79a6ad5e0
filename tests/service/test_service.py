"""The service: answers, refusals, limits, keys; nothing of an upload is left anywhere."""

import asyncio
import base64
import io
import itertools
import json
import logging
import os
import signal
import struct
import sys
import time
import types
import zlib
from pathlib import Path

import numpy as np
import pytest

for module in ("fastapi", "pebble", "httpx2", "prometheus_client", "PIL", "cv2"):
    pytest.importorskip(module, reason="needs the extra serve")

from PIL import Image  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from sfumato.audit.attackers import QUICK  # noqa: E402
from sfumato.data.simulate import simulate, write_simulated  # noqa: E402
from sfumato.data.tables import FaceTable  # noqa: E402
from sfumato.erasers.leace import LeaceEraser  # noqa: E402
from sfumato.erasers.mean_projection import MeanProjectionEraser  # noqa: E402
from sfumato.errors import InputError, SfumatoError  # noqa: E402
from sfumato.faces.limits import PhotoLimits  # noqa: E402
from sfumato.models import SavedModel, save  # noqa: E402
from sfumato.service import work  # noqa: E402
from sfumato.service._budget import Budget, Held  # noqa: E402
from sfumato.service._line import Busy  # noqa: E402
from sfumato.service._pool import TookTooLong, WorkPool  # noqa: E402
from sfumato.service._routes import parse_hide  # noqa: E402
from sfumato.service.app import Settings, make_app  # noqa: E402
from sfumato.service.keys import SCOPES, KeyFile  # noqa: E402
from sfumato.service.limits import Limits, Rate, Refused  # noqa: E402

LITTLE = Limits(
    photo_bytes=300_000, table_bytes=3_000_000, body_seconds=0.5, work_seconds=20, waiting=1,
    a_minute=10_000,
)  # fmt: skip


@pytest.fixture(scope="module")
def stand_ins():
    sys.path.insert(0, str(Path(__file__).parents[1]))
    import stand_ins

    yield stand_ins
    sys.path.pop(0)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "faces.parquet"
    write_simulated(path, 150, 3)
    return path


@pytest.fixture(scope="module")
def service(stand_ins, table, tmp_path_factory):
    """Return a client of a service that runs, with an eraser."""
    folder = tmp_path_factory.mktemp("service")
    faces, info = simulate(200, 2), FaceTable(table).info
    eraser = LeaceEraser().fit(faces["embedding"], faces["gender"])
    save(SavedModel(eraser, ("gender",), info), folder / "m.safetensors")
    photos = PhotoLimits(other_pixels=1_000_000)
    models = stand_ins.StandIns(eraser=str(folder / "m.safetensors"), photos=photos)
    settings = Settings(models=models, limits=LITTLE, workers=1, hosts=("testserver",))
    with TestClient(make_app(settings), raise_server_exceptions=False) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.1)
        yield client


@pytest.fixture
def photo(photo_of):
    return encoded(photo_of((40, 60, 80)))


def encoded(image, kind="PNG"):
    content = io.BytesIO()
    Image.fromarray(image).save(content, kind)
    return content.getvalue()


def test_readiness_says_what_can_be_done(service):
    assert service.get("/healthz").json() == {"status": "ok"}
    found = service.get("/readyz").json()
    assert found["hides"] == {"gender": ["female", "male"]} and found["takes_out"] == ["gender"]


def test_describe_embed_and_verify(service, photo, photo_of):
    found = service.post("/v1/describe", content=photo).json()
    assert [face["face"] for face in found["faces"]] == [0] and "Art. 5" in found["note"]
    assert found["faces"][0]["box"]["left"] == 40
    assert {"gender", "age_years", "ethnicity"} <= set(found["faces"][0])
    found = service.post("/v1/embed", content=photo).json()
    assert found["protected"] and len(found["faces"][0]["embedding"]) == 128
    dark = base64.b64encode(encoded(photo_of((40, 60, 80)) // 9)).decode()
    same = base64.b64encode(photo).decode()
    assert service.post("/v1/verify", json={"first": same, "second": same}).json() == {
        "score": 0.0, "threshold": -0.541, "fmr": 0.001, "same_person": True,
    }  # fmt: skip
    # A dark square is no face to the stand-in.
    answer = service.post("/v1/verify", json={"first": same, "second": dark})
    assert answer.status_code == 422 and answer.json()["error"] == "no face found."


def test_a_protected_photo_is_changed_at_its_face_alone(service, photo, photo_of):
    answer = service.post("/v1/protect/photo?hide=gender", content=photo)
    assert answer.headers["content-type"] == "image/png"
    assert json.loads(answer.headers["x-faces"])[0]["box"]["left"] == 40
    before, after = photo_of((40, 60, 80)), np.asarray(Image.open(io.BytesIO(answer.content)))
    assert (after[100, 80] > before[100, 80]).any()
    np.testing.assert_array_equal(after[:, 200:], before[:, 200:])
    for form, kind in {"jpg": "JPEG", "webp": "WEBP"}.items():
        answer = service.post(f"/v1/protect/photo?hide=gender&form={form}", content=photo)
        assert Image.open(io.BytesIO(answer.content)).format == kind
    found = service.post("/v1/protect/photo?hide=gender=male&check=true", content=photo).json()
    assert found["faces"][0]["check"]["brighter"] and found["verdict"]["succeeded"]
    text = ["gender hidden: 0 of 1 readers still read gender (1 do not read it at all)"]
    assert found["verdict"]["text"] == [*text, "the matcher still accepts 1 of 1"]
    assert base64.b64decode(found["photo"])[:4] == b"\x89PNG"


def test_templates_are_protected_as_the_eraser_does_it(service):
    X = simulate(3, 1)["embedding"]
    found = service.post("/v1/protect/templates", json={"embeddings": X.tolist()}).json()
    model = service.app.state.settings.models.load().eraser
    ours = np.array([face["embedding"] for face in found["faces"]])
    np.testing.assert_allclose(ours, model.eraser.transform(X), atol=1e-6)
    assert found["eraser"] == model.fingerprint
    for bad in ([[1.0, 2.0]], [[1.0], [1.0, 2.0]], []):
        answer = service.post("/v1/protect/templates", json={"embeddings": bad})
        assert answer.status_code == 422 and "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[0.0] * 128], "embeddings, row 0: an embedding of zeros has no direction"),
        ([[1.0] * 128, [0.0] * 128], "embeddings, row 1: an embedding of zeros"),
        ([[1.0, -1.0] * 64] * 20, "all 20 embeddings are one, so nobody can be recognised"),
        ([[1e39] * 128], "embeddings must be finite, row 0"),
    ],
)
def test_templates_of_nobody_are_refused_as_those_of_a_table(service, rows, words):
    answer = service.post("/v1/protect/templates", json={"embeddings": rows})
    assert answer.status_code == 422 and words in answer.json()["error"]


def test_a_long_name_of_a_field_is_not_sent_back(service):
    answer = service.post("/v1/protect/templates", json={"embeddings": [[1.0]], "x" * 9000: 1})
    assert answer.status_code == 422 and len(answer.content) < 1000


def test_race_is_refused_without_a_word_of_a_command_line(stand_ins, monkeypatch, photo):
    class Painter(stand_ins.LightPerturber):
        attributes_ = {"race": ["black", "white"]}

    loaded = work.Loaded(stand_ins.StandIns(), None, None, None, Painter())
    monkeypatch.setattr(work, "_loaded", loaded, raising=False)
    with pytest.raises(InputError, match="hide: to change race .* This service never") as caught:
        work.protect_photo(photo, {"race": None}, (), None, False, None, ".png", False)
    assert "--allow-race" not in str(caught.value)


def test_templates_are_refused_if_the_eraser_erases_nothing(
    stand_ins, table, tmp_path, monkeypatch
):
    faces = simulate(50, 2)
    eraser = MeanProjectionEraser().fit(faces["embedding"], faces["gender"])
    eraser.basis_ = eraser.basis_[:0]
    save(SavedModel(eraser, ("gender",), FaceTable(table).info), tmp_path / "m")
    loaded = stand_ins.StandIns(eraser=str(tmp_path / "m")).load()
    monkeypatch.setattr(work, "_loaded", loaded, raising=False)
    content = json.dumps({"embeddings": faces["embedding"][:1].tolist()}).encode()
    with pytest.raises(InputError, match="mean-projection erases nothing"):
        work.protect_templates(content)


def png_header(width, height):
    """Return a PNG of a size that its pixels do not keep."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


HOSTILE = {
    "bomb": (png_header(30_000, 30_000), 422, "900000000 pixels|30000 x 30000 pixels are more"),
    "100 megapixels": (png_header(10_000, 10_000), 422, "10000 x 10000 pixels are more"),
    "svg": (
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
        422,
        "not an image",
    ),
    "html named .jpg": (b"<html><script>alert(1)</script></html>", 422, "not an image"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 422, "not an image"),
    "pdf": (b"%PDF-1.7\n", 422, "not an image"),
    "zip": (b"PK\x03\x04" + b"\0" * 40, 422, "not an image"),
    "empty": (b"", 400, "the body is empty"),
    "too many bytes": (b"\xff\xd8" + b"\0" * 300_001, 413, "more than the limit"),
    "pixels cut short": (png_header(50, 50), 422, "truncated|damaged|no face"),
    "narrow": (png_header(1, 900_000), 422, "more than the limit of 20000 a side"),
    "gif": (b"GIF89a" + bytes(90), 422, "a GIF picture; send JPEG, PNG, WEBP, AVIF or HEIC"),
    "half a magic number": (b"\x89PN", 422, "not an image"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_uploads_get_one_line(name, service):
    content, status, message = HOSTILE[name]
    for path in ("/v1/describe", "/v1/embed", "/v1/protect/photo?hide=gender"):
        answer = service.post(path, content=content)
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert any(part in error for part in message.split("|")) and "\n" not in error
    assert service.get("/readyz").status_code == 200


def test_a_photo_with_something_behind_it_loses_that(service, photo):
    polyglot = photo + b"<script>alert(1)</script>PK\x03\x04secret"
    answer = service.post("/v1/protect/photo?hide=gender", content=polyglot)
    assert answer.status_code == 200
    assert b"script" not in answer.content and b"secret" not in answer.content


def test_bad_parameters_get_one_line_without_what_was_sent(service, photo):
    for query, part in {
        "hide=": "hide must name an attribute",
        "hide=shoe": "shoe",
        "hide=gender&face=9": "face 9 is asked for",
        "hide=gender&face=-1": "face",
        "hide=gender&form=../../etc/passwd": "form",
        "hide=gender&check=maybe": "check",
        "hide=gender&strength=0": "strength",
        "hide=gender&strength=2": "LightPerturber has no strength that can be set",
    }.items():
        answer = service.post(f"/v1/protect/photo?{query}", content=photo)
        assert answer.status_code == 422 and part in answer.json()["error"]
    assert service.post("/v1/describe?reader=../x", content=photo).status_code == 422
    assert service.post("/v1/describe?reader=none", content=photo).status_code == 422
    assert service.get("/v1/audits/../../etc/passwd").status_code == 404
    wrong = service.get("/v1/describe")
    assert wrong.status_code == 405 and wrong.headers["allow"] == "POST"
    assert service.post("/v1/audits/x").headers["allow"] == "DELETE, GET"
    answer = service.post("/v1/verify", json={"first": "%%%%", "second": "%%%%"})
    assert answer.status_code == 422 and "base64" in answer.json()["error"]
    assert service.get("/healthz", headers={"host": "evil.example"}).status_code == 400


def test_a_body_without_a_length_is_cut_off_and_a_slow_one_ends(service):
    def many():
        for _ in range(40):
            yield b"\0" * 10_000

    assert service.post("/v1/describe", content=many()).status_code == 413
    bad = service.post("/v1/describe", content=b"x", headers={"content-length": "many"})
    assert bad.status_code == 400

    async def slow_request():
        import asyncio

        from sfumato.service.limits import read_body

        class Request:
            headers: dict = {}
            state = types.SimpleNamespace(held=Held(Budget(1000)))

            async def stream(self):
                yield b"a"
                await asyncio.sleep(5)

        await read_body(Request(), 100, 0.05)

    with pytest.raises(Refused, match="did not come within 0.05 s") as refused:
        service.portal.call(slow_request)
    assert refused.value.status == 408


def test_work_that_takes_too_long_crashes_or_waits_in_line_harms_no_other(
    service, stand_ins, photo
):
    pool = service.app.state.pool

    def run(*args, **options):
        async def go():
            return await pool.run(*args, **options)

        return service.portal.call(go)

    with pytest.raises(TookTooLong):
        run(stand_ins.wait, 30, seconds=0.2)
    with pytest.raises(SfumatoError, match="the work failed"):
        run(stand_ins.die)
    with pytest.raises(InputError, match="not so"):
        run(stand_ins.refuse)

    async def crowd():
        import asyncio

        asked = [asyncio.ensure_future(pool.run(stand_ins.wait, 0.2)) for _ in range(4)]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = service.portal.call(crowd)
    assert found[:2] == ["waited"] * 2 and all(isinstance(e, Busy) for e in found[2:])
    assert pool.n_running == 0
    assert service.post("/v1/describe", content=photo).status_code == 200


def test_a_worker_that_is_killed_while_it_waits_is_replaced(service, photo):
    from sfumato.service import work

    async def idle():
        return (await service.app.state.pool.run(work.ready))["pid"]

    for _ in range(2):
        os.kill(service.portal.call(idle), signal.SIGKILL)
        time.sleep(1)  # In which the pool notices.
        assert service.post("/v1/describe", content=photo).status_code == 200


def test_a_worker_that_is_killed_at_work_is_missed_and_may_be_asked_again(
    service, stand_ins, photo, monkeypatch
):
    assert service.get("/readyz").json()["free_workers"] == 1
    with monkeypatch.context() as patch:
        patch.setattr(work, "in_json", stand_ins.kill)
        answer = service.post("/v1/describe", content=photo)
    assert answer.status_code == 503 and "killed" in answer.json()["error"]
    assert int(answer.headers["retry-after"]) > 1
    found = service.get("/readyz")
    assert found.status_code == 503 and "loaded anew" in found.json()["error"]
    while (found := service.get("/readyz")).status_code == 503:
        time.sleep(0.1)
    assert found.json()["free_workers"] == 1
    assert service.post("/v1/describe", content=photo).status_code == 200


def test_a_worker_that_was_killed_while_it_waited_is_missed_too(service):
    async def idle():
        return (await service.app.state.pool.run(work.ready))["pid"]

    os.kill(service.portal.call(idle), signal.SIGKILL)
    answers, end = [], time.monotonic() + 60
    while answers[-2:] != [503, 200] and time.monotonic() < end:  # Nobody needs to ask for work.
        time.sleep(0.02)
        answers += [a for a in [service.get("/readyz").status_code] if [a] != answers[-1:]]
    assert answers[-2:] == [503, 200]


def test_a_full_disk_is_said_in_words_that_name_no_place(service, stand_ins, photo, monkeypatch):
    monkeypatch.setattr(work, "in_json", stand_ins.find_the_disk_full)
    answer = service.post("/v1/describe", content=photo)
    assert answer.status_code == 503 and answer.headers["retry-after"] == "61"
    text = "this service has no room on its disk; tell whoever runs it."
    assert answer.json() == {"error": text}


def test_large_photos_are_read_one_at_a_time(service, stand_ins):
    async def crowd():
        limits = Limits()
        models = stand_ins.StandIns()
        pool = WorkPool(models, limits, workers=2, waiting=9, seconds=30)
        try:
            await asyncio.gather(*(pool.run(stand_ins.wait, 0.1) for _ in range(2)))
            asked = [pool.run(stand_ins.use_room, 0.2, caller=c) for c in "aab"]
            return await asyncio.gather(*asked), pool.n_running
        finally:
            await asyncio.to_thread(pool.close)

    times, n_running = asyncio.run(crowd())
    times.sort()
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(times))
    assert n_running == 0


def finished(service, name, headers=None):
    while (found := service.get(f"/v1/audits/{name}", headers=headers).json())[
        "state"
    ] == "running":
        assert 0 <= found["progress"] <= 1
        time.sleep(0.05)
    return found


def test_an_audit_runs_beside_and_its_report_is_one_page(service, table):
    answer = service.post(
        "/v1/audits?attribute=gender&protect=true&max_rows=300&quick=true",
        content=table.read_bytes(),
    )
    assert answer.status_code == 202
    name = answer.json()["id"]
    early = service.get(f"/v1/audits/{name}/report")
    assert early.status_code in (200, 409)
    found = finished(service, name)
    assert found["state"] == "done" and found["progress"] == 1 and not found["error"]
    assert "gender" in found["verdicts"][0] and found["audits"][0]["chance"] == 0.5
    assert list(found["audits"][0]["attackers"]) == list(QUICK)
    report = service.get(f"/v1/audits/{name}/report")
    assert report.headers["content-type"].startswith("text/html") and "<svg" in report.text
    assert "sandbox" in report.headers["content-security-policy"]
    assert service.delete(f"/v1/audits/{name}").status_code == 204
    assert service.get(f"/v1/audits/{name}").status_code == 404


def test_audits_leave_the_workers_to_others(service, table, photo):
    query = "/v1/audits?attribute=gender&max_rows=400"
    started = [service.post(query, content=table.read_bytes()) for _ in range(6)]
    assert [answer.status_code for answer in started] == [202] * 5 + [429]
    assert "5 of your audits run or wait" in started[5].json()["error"]
    assert int(started[5].headers["retry-after"]) > 0
    assert service.post("/v1/describe", content=photo).status_code == 200
    names = [answer.json()["id"] for answer in started[:5]]
    states = [service.get(f"/v1/audits/{name}").json()["state"] for name in names]
    assert "running" in states
    # The only worker is free, whatever the audits do.
    assert service.get("/readyz").json()["free_workers"] == 1
    for name in names:
        assert service.delete(f"/v1/audits/{name}").status_code == 204


def test_work_beyond_the_memory_of_a_request_gets_one_line(stand_ins, photo):
    limits = Limits(work_bytes=300_000_000)
    settings = Settings(models=stand_ins.StandIns(), limits=limits, workers=1)
    with TestClient(make_app(settings), base_url="http://localhost") as client:

        async def run():
            return await client.app.state.pool.run(stand_ins.fill, 1_000_000_000)

        with pytest.raises(Refused, match="more than the limit of 300,000,000 bytes") as refused:
            client.portal.call(run)
        assert refused.value.status == 413
        assert client.post("/v1/describe", content=photo).status_code == 200


def test_an_audit_of_a_bad_table_says_why(service, table):
    for content, query, part in (
        (b"PAR1 and nothing", "gender", "not a readable Parquet file"),
        (table.read_bytes(), "shoe_size", "unknown label column"),
    ):
        answer = service.post(f"/v1/audits?attribute={query}", content=content)
        found = finished(service, answer.json()["id"])
        assert found["state"] == "failed" and part in found["error"]


@pytest.fixture(scope="module")
def asks_for_keys(stand_ins, tmp_path_factory):
    """Return a service that asks for keys, and the file of them."""
    keys = KeyFile(tmp_path_factory.mktemp("keys") / "keys.json")
    keys.create("first", ["metrics"])
    settings = Settings(
        models=stand_ins.StandIns(), limits=LITTLE, keys=str(keys.path), workers=1,
        hosts=("testserver",),
    )  # fmt: skip
    with TestClient(make_app(settings), raise_server_exceptions=False) as client:
        yield client, keys


@pytest.fixture
def keyed(asks_for_keys):
    """Return a service that asks for keys, and the file of them with one key for figures."""
    _, keys = asks_for_keys
    keys.path.unlink()
    keys.create("first", ["metrics"])
    return asks_for_keys


def status(client, secret, path="/v1/describe", method="POST", **more):
    headers = {} if secret is None else {"x-api-key": secret}
    return client.request(method, path, headers=headers, **more).status_code


def test_keys_open_what_they_allow_and_no_more(keyed, photo):
    client, keys = keyed
    photos, metrics = keys.create("camera", ["photos"]), keys.create("watch", ["metrics", "audit"])
    assert status(client, photos, content=photo) == 200
    for secret in (None, "", "sfumato_x", photos + "x"):
        assert status(client, secret, content=photo) == 401
    assert status(client, metrics, content=photo) == 403
    assert status(client, metrics, "/metrics", "GET") == 200
    assert status(client, None, "/metrics", "GET") == 401
    assert status(client, None, "/healthz", "GET") == 200
    keys.delete("camera")
    assert status(client, photos, content=photo) == 401
    text = keys.path.read_text()
    assert photos not in text and metrics not in text


def test_an_audit_is_its_keys_and_no_other_one_s_of_the_same_name(keyed):
    client, keys = keyed
    mine, other = keys.create("a", ["audit"]), keys.create("b", ["audit"])
    headers = {"x-api-key": mine}
    started = client.post("/v1/audits?attribute=a", content=b"x", headers=headers)
    path = f"/v1/audits/{started.json()['id']}"
    assert status(client, other, path, "GET") == 404
    assert status(client, mine, path, "GET") == 200
    keys.delete("a")
    assert status(client, mine, path, "GET") == 401
    heir = keys.create("a", ["audit"])
    for method in ("GET", "DELETE"):
        assert status(client, heir, path, method) == 404
    assert status(client, heir, f"{path}/report", "GET") == 404


def test_unreadable_keys_open_nothing_and_tell_the_caller_nothing(keyed, caplog):
    client, keys = keyed
    secret = keys.create("a", SCOPES)
    sound = keys.path.read_bytes()
    damages = {
        b"": "damaged", b"[{}]": "damaged", b"\xff\0": "damaged", sound[:-9]: "damaged",
        sound.replace(b"audit", b"metrics"): "damaged", b"[" * 100_000: "damaged",
        None: "no such file",
    }  # fmt: skip
    for content, told in damages.items():
        keys.path.unlink() if content is None else keys.path.write_bytes(content)
        for given in (secret, "sfumato_x", None):
            headers = {} if given is None else {"x-api-key": given}
            for method, path in (("GET", "/metrics"), ("POST", "/v1/describe")):
                caplog.clear()
                answer = client.request(method, path, headers=headers)
                said = "the keys of this service cannot be read; tell whoever runs it."
                assert (answer.status_code, answer.json()) == (503, {"error": said})
                assert str(keys.path) in caplog.text and told in caplog.text
        assert status(client, None, "/healthz", "GET") == 200
    rng = np.random.default_rng(3)
    for _ in range(200):
        damaged = bytearray(sound)
        damaged[rng.integers(len(sound))] ^= 1 << int(rng.integers(8))
        keys.path.write_bytes(damaged)
        # The same answers as before, or none.
        found = [status(client, given, "/metrics", "GET") for given in (secret, "sfumato_x")]
        assert found in ([200, 401], [503, 503])
    keys.path.write_bytes(sound)
    assert status(client, secret, "/metrics", "GET") == 200
    # A file without any key is one whose keys were all deleted.
    for key in keys.read():
        keys.delete(key.name)
    assert [status(client, given, "/metrics", "GET") for given in (secret, None)] == [401, 401]


def test_rate_gives_back_what_time_brings():
    now = [0.0]
    rate = Rate(60, clock=lambda: now[0])
    for _ in range(60):
        rate.take("a")
    with pytest.raises(Refused, match="60 requests a minute") as refused:
        rate.take("a")
    assert refused.value.status == 429 and 0.9 < refused.value.wait <= 1
    rate.take("b")
    now[0] = 2.0
    rate.take("a")
    rate.take("a")
    with pytest.raises(Refused):
        rate.take("a")
    now[0] = 1e6
    for _ in range(60):
        rate.take("a")
    with pytest.raises(Refused):
        rate.take("a")


def test_what_to_hide():
    assert parse_hide("gender,age=old") == {"gender": None, "age": "old"}
    with pytest.raises(Refused, match="hide must name"):
        parse_hide(",")


def test_logs_and_metrics_hold_no_names(service, photo, caplog):
    with caplog.at_level(logging.INFO, "sfumato.service"):
        service.post("/v1/describe?reader=dlib", content=photo)
        service.get("/v1/audits/Jane-Doe")
        service.get("/Jane-Doe.html")
    assert "POST /v1/describe 200" in caplog.text and "GET /v1/audits/{name} 404" in caplog.text
    text = service.get("/metrics").text
    assert "Jane" not in caplog.text + text
    assert 'sfumato_requests_total{route="/v1/describe",status="200"}' in text


def test_answers_carry_what_keeps_browsers_safe(service, photo):
    for answer in (service.get("/healthz"), service.post("/v1/describe", content=photo)):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers
