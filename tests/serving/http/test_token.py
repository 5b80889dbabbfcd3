"""Who is let in."""

import pytest

from tests.serving.http.fake import Fake, ask
from urep_jax.serving.http.app import Service
from urep_jax.serving.http.server import serve, serving
from urep_jax.serving.http.token import Door

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.org", "", "127.0.0.1.example.org"])
def test_others_never_come_in_without_a_token(host: str) -> None:
    for build in (Door, lambda host: Service(Fake(), host=host), lambda host: serve(Fake(), host)):
        with pytest.raises(ValueError, match="which others can reach, but there is no token"):
            build(host)
    with pytest.raises(ValueError, match="there is no token"), serving(Fake(), host):
        pass
    assert Door(host, TOKEN).guarded


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_loopback_no_token_is_needed(host: str) -> None:
    assert not Door(host).guarded
    assert Door(host, TOKEN).guarded


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "with space 0123456789", "ümlaut0123456789", "a\n" * 16])
def test_tokens_that_can_be_guessed_or_not_sent(token: str) -> None:
    with pytest.raises(ValueError, match="token must be 16 or more visible ASCII characters") as refused:
        Door("127.0.0.1", token)
    assert not token or token not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_token_is_asked_for_everywhere_but_where_it_is_free(host: str) -> None:
    app = Service(Fake(), host=host, token=TOKEN)
    for path in ("/v1/users/ann/vector", "/v1/users/ann", "/metrics", "/readyz", "/openapi.json", "/nowhere"):
        told = ask(app, "GET", path)
        assert (told.status, told.headers["www-authenticate"]) == (401, "Bearer"), path
        assert told.json().keys() == {"error", "mend"}
        assert ask(app, "GET", path, headers={"authorization": f"Bearer {TOKEN}"}).status in (200, 404), path
    for path in ("/healthz", "/", "/page.js", "/page.css"):
        assert ask(app, "GET", path).status == 200, path


@pytest.mark.parametrize(
    "borne",
    ["", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \xff"],
)
def test_other_tokens(borne: str) -> None:
    assert ask(Service(Fake(), token=TOKEN), "GET", "/readyz", headers={"authorization": borne}).status == 401


def test_the_scheme_is_written_in_any_case() -> None:
    headers = {"authorization": f"bearer  {TOKEN}"}
    assert ask(Service(Fake(), token=TOKEN), "GET", "/readyz", headers=headers).status == 200


def test_on_loopback_the_host_must_be_this_machine() -> None:
    app = Service(Fake())
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1:8077", "[::1]:8077", "[::1]"):
        assert ask(app, "GET", "/readyz", headers={"host": host}).status == 200, host
    for host in (
        "",
        "evil.example",
        "localhost.evil.example",
        "localhost:80:80",
        "evil.example:8077",
        "localhost@evil",
    ):
        told = ask(app, "GET", "/healthz", headers={"host": host})
        assert told.status == 421, host
        assert told.json().keys() == {"error", "mend"}


@pytest.mark.parametrize(
    "hosts", ["vectors.example.com", ["https://vectors.example.com"], ["localhost", "a.example:443"], [""]]
)
def test_hosts_that_nobody_can_ask_for(hosts: str | list[str]) -> None:
    with pytest.raises(ValueError, match="but must be a list of names without scheme and port"):
        Door("127.0.0.1", TOKEN, hosts)


def test_hosts_that_are_told() -> None:
    named = Service(Fake(), hosts=["urep.internal"])
    assert ask(named, "GET", "/readyz", headers={"host": "urep.internal:80"}).status == 200
    assert ask(named, "GET", "/readyz", headers={"host": "localhost"}).status == 421
    anyone = Service(Fake(), host="0.0.0.0", token=TOKEN)
    headers = {"host": "whatever.example", "authorization": f"Bearer {TOKEN}"}
    assert ask(anyone, "GET", "/readyz", headers=headers).status == 200
