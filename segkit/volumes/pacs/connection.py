"""A connection to a PACS: credentials that stand on no command line, TLS verified, requests tried again."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from segkit.config.addresses import Address, is_loopback
from segkit.config.options import PacsOptions
from segkit.foundation.console import warn
from segkit.foundation.errors import DataError, MissingExtraError, UsageError
from segkit.volumes.dicom.datasets import quietly

if TYPE_CHECKING:
    from dicomweb_client import DICOMwebClient
    from requests import Session
    from requests.auth import AuthBase

T = TypeVar("T")
USER, PASSWORD, TOKEN = "SEGKIT_PACS_USER", "SEGKIT_PACS_PASSWORD", "SEGKIT_PACS_TOKEN"
FIRST_WAIT = 0.5  # seconds before the second attempt, twice as long before each further one
PASSING = (408, 429, 500, 502, 503, 504)  # what a server answers that may do better in a moment
TALKING = ("dicomweb_client", "retrying", "urllib3")  # whose logs tell URLs, headers and names
DENIED, MISSING = (401, 403), 404
Json = Mapping[str, Any]


class Search(Protocol):
    """A query by page."""

    def __call__(self, client: DICOMwebClient, /, *, offset: int) -> list[Json]:
        """Return the page that begins behind `offset` results."""


@dataclass(frozen=True, eq=False)
class Pacs:
    """A PACS to ask.

    Attributes:
        address: where it is.
        client: that speaks to it.
        attempts: how often a request is tried.
    """

    address: Address
    client: DICOMwebClient
    attempts: int

    def ask(self, request: Callable[[DICOMwebClient], T], doing: str) -> T:
        """Make a request; where the network or the server fails in passing, again, after a while.

        Args:
            request: makes it.
            doing: what it is for, for errors: "retrieving an instance".

        Raises:
            DataError: when it failed for good; one line with host and reason.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                with silently():
                    return request(self.client)
            except OSError as error:  # as all of what requests raises is
                if attempt == self.attempts or not is_passing(error):
                    raise DataError(f"{self.address.host}: {doing} failed: {reason_of(error)}") from error
                wait = FIRST_WAIT * 2 ** (attempt - 1)
                warn(f"{self.address.host}: {doing} failed ({reason_of(error)}); trying again in {wait:g} s")
                time.sleep(wait)
            except ValueError as error:  # an answer that is neither JSON nor DICOM
                raise DataError(f"{self.address.host}: {doing} failed: the answer is no DICOMweb") from error
        raise AssertionError("attempts are at least one")

    def find(self, search: Search, key: str, doing: str) -> list[Json]:
        """Return all that a query finds, page by page.

        Args:
            search: the query.
            key: tag of the UID that tells results apart. A server that knows no pages gives the same ones again.
            doing: what it is for, for errors.
        """
        found: dict[str, Json] = {}
        while True:
            page = self.ask(partial(search, offset=len(found)), doing)
            fresh = {value_of(each, key): each for each in page if value_of(each, key) not in found}
            if not fresh:
                return list(found.values())
            found |= fresh


def connect(address: Address, options: PacsOptions) -> Pacs:
    """Return a connection; nothing is sent yet.

    Raises:
        MissingExtraError: when dicomweb-client is not installed.
        UsageError: when a password would be sent so that others can read it.
    """
    if find_spec("dicomweb_client") is None:
        raise MissingExtraError("dicomweb-client", "pacs", "a PACS")
    from dicomweb_client import DICOMwebClient
    from requests import Session

    session = Session()
    session.max_redirects = 0  # patients' data goes where it was told to go, and nowhere else
    authorise(session, address)
    parts = urlsplit(address.service)
    if parts.scheme == "http" and is_loopback(parts.hostname or ""):
        session.trust_env = False  # no proxy stands between a machine and itself
    if not address.is_private:
        warn(f"{address.host} is asked without TLS, so all between can read along: dicomwebs:// encrypts")
    client = DICOMwebClient(address.service, session=session, timeout=options.timeout, permissive_uid=True)
    client.set_http_retry_params(retry=False)  # `ask` tries again, after lost connections too
    return Pacs(address, client, options.attempts)


def authorise(session: Session, address: Address) -> None:
    """Give a session the credentials of the environment, else those of .netrc, else none.

    Raises:
        UsageError: when only a user or only a password is set, or they would be sent in clear to another machine.
    """
    from requests.utils import get_netrc_auth

    user, password, token = (os.environ.get(name) for name in (USER, PASSWORD, TOKEN))
    if (user is None) != (password is None):
        raise UsageError(f"{USER} and {PASSWORD} belong together: set both in the environment, or neither")
    if token:
        session.auth = bearer(token)
    elif user is not None and password is not None:
        session.auth = (user, password)
    else:
        session.auth = get_netrc_auth(address.service)
    if session.auth is not None and not address.is_private:
        raise UsageError(f"{address.host}: credentials would be sent unencrypted: write dicomwebs://, for TLS")


def bearer(token: str) -> AuthBase:
    """Return what puts a token into a request; on a redirection to another host requests takes it out again."""
    from requests import PreparedRequest
    from requests.auth import AuthBase

    class Bearer(AuthBase):
        def __call__(self, request: PreparedRequest) -> PreparedRequest:
            request.headers["Authorization"] = f"Bearer {token}"
            return request

    return Bearer()


def is_passing(error: OSError) -> bool:
    """Tell whether a request that failed so may succeed a moment later."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError):
        return error.response is not None and error.response.status_code in PASSING
    lasting = (exceptions.SSLError, exceptions.ProxyError, exceptions.InvalidURL, exceptions.TooManyRedirects)
    return isinstance(error, exceptions.RequestException | ConnectionError) and not isinstance(error, lasting)


def is_missing(error: BaseException | None) -> bool:
    """Tell whether a server said that there is no such thing."""
    from requests.exceptions import HTTPError

    return isinstance(error, HTTPError) and error.response is not None and error.response.status_code == MISSING


def reason_of(error: OSError) -> str:
    """Say in a few words why a request failed; URLs, which hold UIDs, stay out."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        status = f"{error.response.status_code} {error.response.reason or ''}".strip()
        hint = f": set {USER} and {PASSWORD} or {TOKEN} in the environment, or write them into ~/.netrc"
        return status + (hint if error.response.status_code in DENIED else "")
    if isinstance(error, exceptions.SSLError):
        return "its TLS certificate is not trusted; REQUESTS_CA_BUNDLE=FILE names further authorities"
    if isinstance(error, exceptions.TooManyRedirects):
        return "it redirects elsewhere; give that address"
    if isinstance(error, exceptions.Timeout):
        return "no answer in time (pacs.timeout)"
    if isinstance(error, exceptions.ConnectionError):
        return "the connection was refused or lost"
    return type(error).__name__


@contextmanager
def silently() -> Iterator[None]:
    """Keep libraries from printing what they send and receive."""
    logs = [logging.getLogger(name) for name in TALKING]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL)
    try:
        with quietly():
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def value_of(result: Json, tag: str) -> str:
    """Return the first value of an element of DICOM JSON as text; "" where there is none."""
    element = result.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return str(values[0]) if isinstance(values, list) and values and values[0] is not None else ""
