"""Fetch one file from a list of mirrors: resumed, bounded in size and time, checked, in place only when right.

What has arrived waits in NAME.part, which nothing else reads; an interrupted download goes on from there.
"""

import http.client
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .. import arguments
from ..errors import ArgumentError, DataError, MissingDataError, require

CHUNK = 1 << 16  # bytes
LOOPBACK = ("127.0.0.1", "::1", "localhost")
TRIES = 3  # per mirror; a try that brought bytes is resumed


class _Refused(Exception):
    """Why a mirror's answer cannot be used, in a few words."""


class Limits(NamedTuple):
    """What a download may take from one mirror."""

    most_bytes: int
    timeout: float = 20.0  # s without a byte
    deadline: float = 600.0  # s in all
    progress: bool = True  # a bar on a terminal


def fetch(target: Path, mirrors: Sequence[str], verify: Callable[[Path], None], limits: Limits) -> Path:
    """Download `target.name` from the first of `mirrors` (URLs that end in /) that delivers it, into `target`.

    verify  called with the complete .part file; raises DataError if it holds other bytes than it should
    Only https is spoken, and http to this machine (for tests). Raises MissingDataError with each mirror's failure.
    """
    part = target.with_name(target.name + ".part")
    failures = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for mirror in mirrors:
            try:
                _from_mirror(urllib.parse.urljoin(mirror, target.name), part, verify, limits)
                os.replace(part, target)
                return target
            except _Refused as failure:
                failures.append(f"{urllib.parse.urlsplit(mirror).netloc}: {failure}")
    except OSError as cause:
        failures.append(f'the disk: "{cause.strerror}"')
    raise MissingDataError(
        f"{target.name}: expected to download it, received nothing usable ({'; '.join(failures)}); check the network "
        f"and try again, which resumes, or put the file into {target.parent} yourself"
    )


def _from_mirror(url: str, part: Path, verify: Callable[[Path], None], limits: Limits) -> None:
    """Complete `part` from `url` and verify it; else remove what is wrong and raise _Refused."""
    until = time.monotonic() + limits.deadline
    failure = _Refused("no answer")
    for _ in range(TRIES):
        before = _size(part)
        try:
            _receive(url, part, limits, until)
            verify(part)
            return
        except DataError:
            part.unlink(missing_ok=True)
            failure = _Refused("other bytes than expected")
        except _Refused as refused:
            failure = refused
        now = _size(part)
        if not (now > before or now == 0 < before):  # neither progress nor rid of a bad .part: the next mirror
            break
    raise failure


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _receive(url: str, part: Path, limits: Limits, until: float) -> None:
    """Append the rest of `url` to `part`; start over where the server does not resume."""
    have = _size(part)
    headers = {"User-Agent": "minicnn"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    try:
        with _opener(url).open(request, timeout=limits.timeout) as answer:
            if have and not _resumes(answer, have):
                have = 0
            length = answer.headers.get("Content-Length", "")
            total = have + int(length) if length.isdecimal() else None
            if (total or 0) > limits.most_bytes:
                raise _Refused(f"{total} bytes, more than the {limits.most_bytes} allowed")
            with open(part, "ab" if have else "wb") as file, _bar(part, total, have, limits.progress) as bar:
                while chunk := answer.read1(CHUNK):
                    have += len(chunk)
                    if have > limits.most_bytes:
                        file.truncate(0)
                        raise _Refused(f"more than the {limits.most_bytes} bytes allowed")
                    file.write(chunk)
                    bar.update(len(chunk))
                    if time.monotonic() > until:
                        raise _Refused("too slow")
            if total is not None and have < total:
                raise _Refused(f"connection closed after {have} of {total} bytes")
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the .part is as long as the file or longer: of no use
            part.unlink(missing_ok=True)
        raise _Refused(f"HTTP {error.code}") from None
    except urllib.error.URLError as error:
        raise _Refused(_reason(error.reason)) from None
    except (TimeoutError, http.client.HTTPException, ConnectionError) as error:
        raise _Refused(_reason(error)) from None


def _resumes(answer, have: int) -> bool:
    """Whether the answer is the part of the file that was asked for: 206 from byte `have`."""
    return answer.status == 206 and re.match(rf"bytes {have}-", answer.headers.get("Content-Range", "")) is not None


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "no byte within the time-out"
    return f'"{error}"' if str(error) else type(error).__name__


def _bar(part: Path, total: int | None, have: int, progress: bool):
    from tqdm import tqdm

    name = part.name.removesuffix(".part")
    disable = None if progress else True  # None: shown on a terminal only
    return tqdm(desc=name, total=total, initial=have, unit="B", unit_scale=True, disable=disable, leave=False)


def _opener(url: str) -> urllib.request.OpenerDirector:
    """An opener that speaks https only (or http to this machine, if `url` does), also after a redirect."""
    local = _is_local(url)

    class Redirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, request, file, code, message, headers, target):
            _check(target, local)
            return super().redirect_request(request, file, code, message, headers, target)

    _check(url, local)
    return urllib.request.build_opener(Redirects)


def _is_local(url: str) -> bool:
    return urllib.parse.urlsplit(url).hostname in LOOPBACK


def _check(url: str, local: bool) -> None:
    scheme = urllib.parse.urlsplit(url).scheme
    if not (scheme == "https" or (scheme == "http" and local and _is_local(url))):
        raise _Refused(f"{scheme}, not https")


def addresses(where: str, value: Any) -> list[str]:
    """Addresses of folders, each ending in /."""
    found = arguments.listed(where, value, "addresses")
    ok = len(found) > 0 and all(isinstance(one, str) and "://" in one and one.endswith("/") for one in found)
    expected = "at least one address that ends in /, as https://.../"
    require(ok, where, expected, arguments.shown(value), error=ArgumentError)
    return found
