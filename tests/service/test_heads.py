"""Whose requests are taken: for this service's names, from its own pages or from no page."""

import sys
from pathlib import Path

import pytest

for module in ("fastapi", "pebble", "httpx2", "prometheus_client", "PIL", "cv2"):
    pytest.importorskip(module, reason="needs the extra serve")

from starlette.testclient import TestClient  # noqa: E402

from sfumato.errors import InputError  # noqa: E402
from sfumato.service._heads import SAFE, check_head, host_names  # noqa: E402
from sfumato.service.app import LOOPBACK, Settings, make_app  # noqa: E402
from sfumato.service.keys import SCOPES, KeyFile  # noqa: E402
from sfumato.service.limits import Refused  # noqa: E402

FOREIGN = {
    "cross-site": [("sec-fetch-site", "cross-site")],
    "same-site": [("sec-fetch-site", "same-site")],
    "no such site": [("sec-fetch-site", "SAME-ORIGIN, none")],
    "empty site": [("sec-fetch-site", "")],
    "two sites": [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
    "another host": [("origin", "http://evil.example")],
    "another port": [("origin", "http://testserver:8001")],
    "another scheme": [("origin", "ftp://testserver")],
    "a longer name": [("origin", "http://testserver.evil.example")],
    "a user's name": [("origin", "http://testserver@evil.example")],
    "null": [("origin", "null")],
    "an extension": [("origin", "chrome-extension://abcdefghijklmnop")],
    "empty origin": [("origin", "")],
    "two origins": [("origin", "http://testserver"), ("origin", "http://evil.example")],
    "own site, other origin": [("sec-fetch-site", "same-origin"), ("origin", "null")],
    "own origin, other site": [("sec-fetch-site", "cross-site"), ("origin", "http://testserver")],
    "a form": [("origin", "null"), ("content-type", "text/plain")],
}
OWN = {
    "no page": [],
    "own page": [("sec-fetch-site", "same-origin"), ("origin", "http://testserver")],
    "typed by hand": [("sec-fetch-site", "none")],
    "own origin": [("origin", "http://testserver")],
    "own port": [("origin", "http://testserver:80")],
    "TLS ends at a proxy": [("origin", "https://testserver"), ("sec-fetch-site", "same-origin")],
}


@pytest.fixture(scope="module", params=[False, True], ids=["no keys", "keys"])
def client(request, tmp_path_factory):
    """Return a client of a service, with all rights that there are."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from stand_ins import StandIns

    headers, path = {}, None
    if request.param:
        path = str(tmp_path_factory.mktemp("keys") / "keys.json")
        headers = {"x-api-key": KeyFile(path).create("all", SCOPES)}
    settings = Settings(models=StandIns(), keys=path, workers=1, hosts=("testserver",))
    with TestClient(make_app(settings), headers=headers, raise_server_exceptions=False) as client:
        yield client
    sys.path.pop(0)


def routes(client):
    """Yield every method and path that the service has, and unsafe methods that it has not."""
    for path, operations in client.app.openapi()["paths"].items():
        for method in {*map(str.upper, operations), "POST", "PUT", "PATCH", "DELETE", "ODD"}:
            yield method, path.replace("{", "").replace("}", "")
    yield "POST", "/"
    yield "DELETE", "/index.html"


@pytest.mark.parametrize("name", FOREIGN)
def test_a_page_of_another_site_changes_nothing_and_costs_nothing(name, client):
    asked = list(routes(client))
    unsafe = {(m, p) for m, p in asked if m not in SAFE or p.startswith("/v1")}
    # So that a route which is added is tried, and none is passed over.
    assert {("POST", "/v1/audits"), ("DELETE", "/v1/audits/name")} < unsafe
    assert ("POST", "/v1/gallery/gallery/delete") in unsafe and len(unsafe) > 60
    for method, path in asked:
        answer = client.request(method, path, headers=FOREIGN[name], content=b"x")
        if (method, path) in unsafe:
            assert answer.status_code == 403, (method, path)
            assert "requests of other sites' pages are refused" in answer.json()["error"]
        else:
            assert answer.status_code != 403, (method, path)
    assert not client.app.state.audits._jobs


@pytest.mark.parametrize("name", OWN)
def test_own_pages_and_programs_are_served(name, client):
    headers = OWN[name]
    assert client.get("/v1/gallery", headers=headers).status_code == 200
    answer = client.post("/v1/describe", content=b"no photo", headers=headers)
    assert answer.status_code == 422 and "not an image" in answer.json()["error"]


def test_a_link_to_the_page_works(client):
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = client.get("/", headers=headers)
    assert answer.status_code == 200
    # Yet no page of another site may show what is here.
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def head(hosts, method="GET", path="/", scheme="http", **more):
    headers = [(b"host", host.encode("latin-1")) for host in hosts]
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": headers, "scheme": scheme,
    }  # fmt: skip


NAMES = host_names((*LOOPBACK, "Faces.example.org", "fe80::1%eth0"))


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "localhost.", "localhost.:8000", "127.0.0.1", "127.0.0.1:8000",
     "[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]:8000", "faces.example.org:443", "[fe80::1]:8000"],
)  # fmt: skip
def test_the_service_s_own_names(host):
    check_head(head([host]), NAMES)
    # And its pages may ask it, by that name.
    check_head(head([host], "POST", origin=f"http://{host}"), NAMES)


@pytest.mark.parametrize(
    "hosts",
    [[], ["localhost", "localhost"], ["localhost", "evil.example"], [""], ["evil.example"],
     ["localhost.evil.example"], ["evil.localhost"], ["localhost.."], ["localhost:"],
     ["localhost:x"], ["localhost:123456"], ["::1"], ["::1:8000"], ["[::1"], ["[::1]x"],
     ["[::2]:8000"], ["[::1%25lo]"], ["[::ffff:127.0.0.1]"], ["127.0.0.2"], ["0x7f000001"],
     ["user@localhost"], ["localhost/x"], ["localhost, evil.example"], [" localhost"],
     ["localhost\xa0"], ["127.0.0.1.evil.example"], ["0.0.0.0"]],
)  # fmt: skip
def test_other_names_are_refused(hosts):
    with pytest.raises(Refused, match="must name this service") as refused:
        check_head(head(hosts), NAMES)
    assert refused.value.status == 400


def test_a_page_without_tls_is_not_one_with_it():
    check_head(head(["faces.example.org"], "POST", origin="https://faces.example.org"), NAMES)
    check_head(head(["faces.example.org:443"], "POST", origin="https://faces.example.org"), NAMES)
    with pytest.raises(Refused, match="other sites"):
        check_head(
            head(["faces.example.org"], "POST", scheme="https", origin="http://faces.example.org"),
            NAMES,
        )


@pytest.mark.parametrize("name", ["*", "*.example.org", "a:8000", "[::1]:8000", "", "a b", "a/b"])
def test_names_that_are_none_are_refused_at_the_start(name):
    with pytest.raises(InputError, match="like faces.example.org, without a port, got"):
        host_names([name])
