"""Tables behind URLs: the same rows, only footers read for a plan, errors in one line."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow.parquet as pq
import pytest

from sfumato.data.files import content_digest, full_name
from sfumato.data.info import TableInfo
from sfumato.data.tables import FaceTable, table_batch, write_table
from sfumato.errors import InputError

N_GROUPS = 3


@pytest.fixture
def folder(tmp_path, rng):
    """A table in two parts, in a folder whose name a URL must quote."""
    folder = tmp_path / "a table"
    folder.mkdir()
    for part in "ab":
        batches = [
            table_batch(
                {
                    "image_id": [f"{part}{group}{row}" for row in range(40)],
                    "embedding": rng.normal(size=(40, 500)),
                }
            )
            for group in range(N_GROUPS)
        ]
        info = TableInfo(source="toy", encoder="e", dimension=500)
        write_table(folder / f"part {part}.parquet", batches, batches[0].schema, info)
    return folder


@pytest.mark.parametrize("name", ["", "part a.parquet"])
def test_a_url_gives_the_rows_of_the_file_or_folder(name, folder):
    table, other = FaceTable(folder / name), FaceTable((folder / name).as_uri())
    assert other.info == table.info and other.schema == table.schema
    assert other.row_groups() == table.row_groups() and other.n_rows == table.n_rows
    assert list(other.column("image_id")) == list(table.column("image_id"))
    first, last = (table.row_groups()[place] for place in (0, -1))
    (rows,) = other.batches(["image_id"], groups=[last[:2]])
    assert rows.column(0)[0].as_py()[1] == "2" and first[2] == 40
    # As those of the files: another table has another.
    before = other.fingerprint()
    assert before == table.fingerprint()
    pq.write_table(pq.read_table(folder / "part b.parquet"), folder / "part a.parquet")
    assert FaceTable((folder / name).as_uri()).fingerprint() != before


def test_what_is_not_there_is_told(folder):
    url = folder.as_uri()
    with pytest.raises(InputError, match="nothing.parquet: no such file"):
        FaceTable(f"{url}/nothing.parquet")
    with pytest.raises(InputError, match="no storage of this kind .* s3://, gs://, "):
        FaceTable("ftp://host/t.parquet")
    (folder / "_unfinished").touch()
    with pytest.raises(InputError, match="an unfinished run"):
        FaceTable(url)
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="no Parquet file in this folder"):
        FaceTable(f"{url}/empty")
    assert full_name(url) == url and full_name("x").startswith("/")


@pytest.fixture
def web(folder):
    """Serve a part over HTTP, in ranges; return its URL and the bytes asked for so far."""
    content, sent = (folder / "part a.parquet").read_bytes(), []

    class Server(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(b"", len(content), 200)

        def do_GET(self):
            first, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")
            part = content[int(first) : int(last or len(content)) + 1]
            sent.append(len(part))
            self.answer(part, len(part), 206, f"bytes {first}-{last}/{len(content)}")

        def answer(self, part, length, status, content_range=None):
            self.send_response(status)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(length))
            if content_range is not None:
                self.send_header("Content-Range", content_range)
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/t.parquet", sent
        server.shutdown()
        thread.join()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_web_server_is_asked_for_footers_alone(web, folder):
    for module in ("fsspec", "aiohttp"):
        pytest.importorskip(module, reason="needs the extra batch")
    url, sent = web
    table = FaceTable(url)
    assert table.row_groups() == [(0, number, 40) for number in range(N_GROUPS)]
    assert sum(sent) < (folder / "part a.parquet").stat().st_size
    before = content_digest(url)
    assert before == content_digest(url) != content_digest(folder / "part a.parquet")
    assert list(table.column("image_id")) == [
        f"a{group}{row}" for group in range(N_GROUPS) for row in range(40)
    ]
