"""What is counted, as Prometheus reads it."""

import re

from tests.serving.http.fake import Fake, ask
from urep_jax.serving.http.app import Service
from urep_jax.serving.http.metrics import BOUNDS, Metrics
from urep_jax.serving.online.parts import StoreAway

LINE = re.compile(r'[a-z_]+(\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]*")*\})? -?[0-9.e+-]+')


def samples(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert text.endswith("\n")
    assert not [line for line in lines if not LINE.fullmatch(line)]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_requests_by_route_and_status_but_not_by_user() -> None:
    app = Service(Fake())
    for path in (
        "/v1/users/ann/vector",
        "/v1/users/bob/vector",
        "/v1/users/new/vector",
        "/secret/ann",
        "/v1/users/ann",
    ):
        ask(app, "GET", path)
    ask(app, "BREW", "/v1/users/ann")
    told = ask(app, "GET", "/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(told.body.decode())
    route = 'method="GET",route="/v1/users/{user_id}/vector"'
    assert found[f'urep_http_requests_total{{{route},status="200"}}'] == 2
    assert found[f'urep_http_requests_total{{{route},status="404"}}'] == 1
    assert found['urep_http_requests_total{method="other",route="other",status="404"}'] == 1
    assert found['urep_http_requests_total{method="other",route="other",status="405"}'] == 1
    assert found[f'urep_http_request_seconds_bucket{{{route},le="+Inf"}}'] == 3
    for name in ("ann", "bob", "secret", "BREW"):
        assert name not in told.body.decode()


def test_how_the_backend_is() -> None:
    fake = Fake()
    app = Service(fake)
    found = samples(ask(app, "GET", "/metrics").body.decode())
    assert found["urep_messages_waiting"] == 7
    assert found["urep_messages_dead"] == 2
    assert found["urep_oldest_waiting_seconds"] > 1e6
    assert found['urep_freshness_seconds{quantile="0.5"}'] == 0.25
    assert found['urep_freshness_seconds{quantile="0.99"}'] == 1.5
    assert (found["urep_vectors"], found["urep_users"], found["urep_workers"]) == (2, 3, 1)
    assert found["urep_backend_up"] == 1
    fake.fails = StoreAway()
    found = samples(ask(app, "GET", "/metrics").body.decode())
    assert found["urep_backend_up"] == 0
    assert "urep_vectors" not in found
    assert found['urep_http_requests_total{method="GET",route="/metrics",status="200"}'] == 1


def test_a_histogram_sums_up() -> None:
    counted = Metrics()
    seconds = [BOUNDS[0], BOUNDS[0] * 1.01, 0.3, 99.0]
    for one in seconds:
        counted.count("GET", "/x", 200, one)
    found = samples(counted.text(None, 0.0))
    labels = 'method="GET",route="/x"'
    buckets = [found[f'urep_http_request_seconds_bucket{{{labels},le="{bound}"}}'] for bound in (*BOUNDS, "+Inf")]
    assert buckets == [sum(one <= bound for one in seconds) for bound in (*BOUNDS, float("inf"))]
    assert found[f"urep_http_request_seconds_sum{{{labels}}}"] == sum(seconds)
    assert found[f"urep_http_request_seconds_count{{{labels}}}"] == len(seconds)
