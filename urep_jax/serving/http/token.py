"""Who is let in: who knows the token, and asks for a host that this is."""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence

from urep_jax.serving.http.refusals import Refusal

LEAST_TOKEN = 16
"""Characters of a token: shorter ones can be guessed."""

_HERE = ("localhost", "127.0.0.1", "[::1]")
_NAME = r"(\[[0-9A-Fa-f:.]+\]|[^:/\[\]]+)"
_HOST = re.compile(rf"{_NAME}(?::\d+)?")


class Door:
    """Lets requests in, or refuses them.

    On loopback no token is needed, but the Host header must name this machine: else a page from elsewhere, whose name
    is made to point here, could ask (DNS rebinding).

    Args:
        host: the address that is listened on.
        token: that requests must bear; None for none, on loopback only.
        hosts: names, without port, that the Host header may have; None for any, or those of loopback there.

    Raises:
        ValueError: if others could come in without a token, the token is one that can be guessed, or not sent, or no
            Host header could have a name.
    """

    def __init__(self, host: str, token: str | None = None, hosts: Sequence[str] | None = None) -> None:
        self.loopback = is_loopback(host)
        if token is None and not self.loopback:
            raise ValueError(
                f"host is {host!r}, which others can reach, but there is no token; give one, or listen on 127.0.0.1"
            )
        # A text about the token doesn't show it.
        if token is not None and not re.fullmatch(f"[!-~]{{{LEAST_TOKEN},}}", token):
            raise ValueError(
                f"token must be {LEAST_TOKEN} or more visible ASCII characters without spaces; "
                "python -c 'import secrets; print(secrets.token_urlsafe())' makes one"
            )
        odd = [hosts] if isinstance(hosts, str) else [one for one in hosts or () if not re.fullmatch(_NAME, one)]
        if odd:
            raise ValueError(
                f"hosts has {', '.join(map(repr, odd))}, but must be a list of names without scheme and port, such as "
                "[vectors.example.com]"
            )
        self._digest = None if token is None else _digest(token.encode())
        named = _HERE if hosts is None and self.loopback else hosts
        self._hosts = None if named is None else frozenset(name.lower() for name in named)

    @property
    def guarded(self) -> bool:
        """Whether a token is needed."""
        return self._digest is not None

    def check_host(self, headers: Mapping[bytes, bytes]) -> None:
        """Refuse a request for another host.

        Raises:
            Refusal: 421.
        """
        if self._hosts is None:
            return
        named = _HOST.fullmatch(headers.get(b"host", b"").decode("latin-1").lower())
        if named is None or named[1] not in self._hosts:
            raise Refusal(421, "the Host header names another host", f"ask for one of {', '.join(sorted(self._hosts))}")

    def check_token(self, headers: Mapping[bytes, bytes]) -> None:
        """Refuse a request that doesn't bear the token.

        Raises:
            Refusal: 401.
        """
        if self._digest is None:
            return
        scheme, _, borne = headers.get(b"authorization", b"").partition(b" ")
        # Digests are of one length, and comparing them takes as long for a near miss as for any other.
        if not hmac.compare_digest(_digest(borne.strip()), self._digest) or scheme.lower() != b"bearer":
            mend = "send the header Authorization: Bearer TOKEN, with the token that the service was started with"
            raise Refusal(401, "the token is missing, or another one", mend, {"www-authenticate": "Bearer"})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
