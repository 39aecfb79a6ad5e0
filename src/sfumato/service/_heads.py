"""What the head of a request must be before anything of it is read or done.

Any page open in a browser on this machine can have that browser send requests here; it cannot
read the answers, but the requests would work. So what may change or cost something is refused
unless it comes from this service's own pages or from no page at all (curl, Python), and no other
name than the service's own leads here, which a page could point at this machine.
"""

import ipaddress
import re
from collections.abc import Iterable
from itertools import chain
from typing import Any

from sfumato._constraints import Instance, check_argument
from sfumato.errors import InputError
from sfumato.service.limits import Refused

#: The server has a limit for heads that come bit by bit, none for those that come at once.
MOST_HEAD_BYTES = 16_384
SAFE = ("GET", "HEAD", "OPTIONS")
#: Below it every route costs work or tells of people, whatever the method.
INTERFACE = "/v1/"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::([0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}


def host_names(hosts: Iterable[str]) -> frozenset[str]:
    """Return names by which a service may be called, in the form of :func:`check_head`.

    Raises
    ------
    InputError
        If one is no host name or address, or has a port.
    """
    found = set()
    check_argument(hosts, Instance(list, tuple, set, frozenset), "names")
    for host in hosts:
        check_argument(host, Instance(str), "a service's name")
        bare = host.partition("%")[0]  # No browser sends the zone of an address.
        name, port = _parse(f"[{bare}]" if bare.count(":") > 1 and bare[0] != "[" else bare)
        if name is None or port is not None:
            raise InputError(
                f"a service's name must be like faces.example.org, without a port, got {host!r}."
            )
        found.add(name)
    return frozenset(found)


def check_head(scope: dict[str, Any], hosts: frozenset[str]) -> None:
    """Refuse a request by its head.

    Parameters
    ----------
    scope : dict
        ASGI's.
    hosts : frozenset of str
        Of :func:`host_names`.

    Raises
    ------
    Refused
        431 if the head is too long; 400 if it does not name this service, once; 403 if a page of
        another site sends it and it may change or cost something.
    """
    head = [scope.get("raw_path", b""), scope["query_string"], *chain(*scope["headers"])]
    if sum(map(len, head)) > MOST_HEAD_BYTES:
        raise Refused(431, f"the headers and the address are over {MOST_HEAD_BYTES:,} bytes.")
    named = _values(scope, b"host")
    if len(named) != 1 or _parse(named[0])[0] not in hosts:
        raise Refused(
            400, "the Host header must name this service; sfumato serve --name NAME adds a name."
        )
    if scope["method"] in SAFE and not scope["path"].startswith(INTERFACE):
        return
    scheme, sites = scope.get("scheme", "http"), _values(scope, b"sec-fetch-site")
    origins = [_is_own(origin, scheme, named[0]) for origin in _values(scope, b"origin")]
    if not ({*sites} <= {"same-origin", "none"} and all(origins)):
        raise Refused(
            403,
            "requests of other sites' pages are refused (Sec-Fetch-Site, Origin); a proxy must "
            "pass the Host header on as it was.",
        )


def _values(scope, wanted):
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


def _parse(host):
    """Return the name and the port (or None) of a Host header; no name if it is none."""
    found = _HOST.fullmatch(host)
    if found is None:
        return None, None
    name, port = found.groups()
    if name[0] == "[":
        try:
            name = f"[{ipaddress.IPv6Address(name[1:-1])}]"
        except ValueError:
            return None, None
    # A dot at the end says that a name is whole, and changes nothing else.
    return name.lower().removesuffix("."), None if port is None else int(port)


def _is_own(origin, scheme, host):
    """Tell whether an Origin is the address that the Host header names."""
    given, _, rest = origin.partition("://")
    # Where TLS ends at a proxy before us, we are asked by http for a page of https.
    if given not in (scheme, "https") or given not in _PORTS:
        return False
    (mine, my_port), (its, its_port) = _parse(host), _parse(rest)
    return mine == its and (my_port or _PORTS[given]) == (its_port or _PORTS[given])
