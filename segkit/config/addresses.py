"""Addresses of a PACS on the command line: `dicomweb://HOST:PORT/dicom-web/studies/UID`, `dicomwebs://` with TLS."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from segkit.foundation.errors import UsageError

SCHEMES = {"dicomweb": "http", "dicomwebs": "https"}
EXAMPLE = "dicomweb://HOST:PORT/dicom-web/studies/UID"
_WITH_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_UID, LONGEST_UID = re.compile(r"[0-9]+(\.[0-9]+)*"), 64


@dataclass(frozen=True)
class Address:
    """Where a PACS answers DICOMweb, and which part of it is meant.

    Attributes:
        service: its URL, `http://HOST:PORT/dicom-web`.
        study: StudyInstanceUID; "" for all of it.
        series: SeriesInstanceUID; "" for all of the study.
    """

    service: str
    study: str = ""
    series: str = ""

    @property
    def host(self) -> str:
        """Host and port, as messages name the PACS."""
        return urlsplit(self.service).netloc

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read what is sent: over TLS, or within this machine."""
        parts = urlsplit(self.service)
        return parts.scheme == "https" or is_loopback(parts.hostname or "")


def is_address(text: str | None) -> bool:
    """Tell whether a value is an address, or was meant as one, and no path."""
    return text is not None and _WITH_SCHEME.match(text) is not None


def is_uid(text: str) -> bool:
    """Tell whether a text is a UID (PS3.5, 9.1): in a URL, dots alone would lead elsewhere."""
    return len(text) <= LONGEST_UID and _UID.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address_from(text: str, key: str) -> Address:
    """Read an address.

    Args:
        text: as typed.
        key: where it was typed, for errors, which repeat nothing of a text that may hold a password.

    Raises:
        UsageError: when it is none, or holds credentials.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UsageError(f"{key}: is no address such as {EXAMPLE}") from error
    if "@" in parts.netloc or "@" in parts.path:
        raise UsageError(
            f"{key}: an address holds no user and no password, which others would see: set SEGKIT_PACS_USER and "
            "SEGKIT_PACS_PASSWORD, or write them into ~/.netrc"
        )
    if parts.scheme not in SCHEMES or not host:
        raise UsageError(f"{key}: is no address such as {EXAMPLE}, or dicomwebs://HOST/... with TLS")
    if parts.query or parts.fragment:
        raise UsageError(f"{key}: an address ends after its UIDs: leave out ? and # and what follows")
    service, study, series = _resource(parts.path, key)
    shown = f"[{host}]" if ":" in host else host
    return Address(f"{SCHEMES[parts.scheme]}://{shown}{f':{port}' if port else ''}{service}", study, series)


def _resource(path: str, key: str) -> tuple[str, str, str]:
    """Return the path of the service, the study and the series that a path names, "" where it names none."""
    steps = [step for step in path.split("/") if step]
    behind = steps[::-1].index("studies") if "studies" in steps else None
    service, uids = (steps, []) if behind is None else (steps[: -behind - 1], steps[len(steps) - behind :])
    is_series = len(uids) == 3 and uids[1] == "series"
    if not (len(uids) < 2 or is_series) or not all(map(is_uid, uids[::2])):
        raise UsageError(
            f"{key}: {path} is no path such as /dicom-web/studies/UID or /dicom-web/studies/UID/series/UID"
        )
    return "".join(f"/{step}" for step in service), uids[0] if uids else "", uids[2] if is_series else ""
