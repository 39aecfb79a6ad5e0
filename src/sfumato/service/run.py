"""Start the service and end it well."""

import functools
import logging
import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import Any

from sfumato.validation import need


def run(
    settings: Any, host: str, port: int, *, say: Callable[..., Any], open_page: bool = False
) -> None:
    """Serve until asked to stop; requests that run then are finished.

    Parameters
    ----------
    settings : Settings
    host : str
    port : int
        0 takes a free one.
    say : callable
        Called with a line for the user.
    open_page : bool, default=False
        Open the page in the user's browser.
    """
    uvicorn = need("uvicorn", "serve")
    from sfumato.service.app import make_app

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = configure(make_app(settings), settings, host, port)
    listener = config.bind_socket()
    # Connections take this over. Else the body of an answer waits until the caller has confirmed
    # its head, which takes 40 ms; asyncio sees to it only where a socket names its protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    name = f"[{host}]" if ":" in host else host
    page = f"http://{name}:{listener.getsockname()[1]}/"
    say(f"sfumato serves on {page} (Ctrl-C ends it).")
    if open_page:
        listener.listen()  # So that the browser waits for us, however soon it is there.
        # A browser of the terminal would keep us from serving.
        threading.Thread(target=_open_page, args=(page, say), daemon=True).start()
    uvicorn.Server(config).run(sockets=[listener])


def _open_page(page: str, say: Callable[..., Any]) -> None:
    page = page.replace("//0.0.0.0:", "//127.0.0.1:")
    if not webbrowser.open(page):
        say(f"No browser could be opened; open {page} yourself.")


def configure(app: Any, settings: Any, host: str, port: int) -> Any:
    """Return uvicorn's Config, with our limits of connections."""
    from sfumato.service._connections import Connection, Door

    return need("uvicorn", "serve").Config(
        app,
        host=host,
        port=port,
        # Its log has paths, which may hold names.
        access_log=False,
        log_config=None,
        http=functools.partial(Connection, Door(settings.limits, settings.proxies)),
        ws="none",
        # Of anybody else, the header that names a caller is a claim.
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=[*settings.proxies],
        timeout_keep_alive=10,
        timeout_graceful_shutdown=30,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=16_384,
    )
