"""Counts of requests and how the backend is, as Prometheus reads them (text format 0.0.4). No label names a user."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping

from urep_jax.serving.http.answers import Status

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latencies that are counted together, seconds."""

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What has been answered since the start."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: Counter[tuple[str, str]] = Counter()
        self._buckets: dict[tuple[str, str], list[int]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: of HTTP; `other` if there is no such route.
            route: the path as `endpoints` has it, never as it was asked.
            status: of the answer.
            seconds: that it took.
        """
        self._requests[method, route, status] += 1
        key = (method, route)
        buckets = self._buckets.get(key)
        if buckets is None:
            buckets = self._buckets[key] = [0] * (len(BOUNDS) + 1)
        buckets[bisect_left(BOUNDS, seconds)] += 1
        # A `Counter` of floats: sums only.
        self._seconds[key] += seconds  # type: ignore[assignment]

    def text(self, status: Status | None, now: float) -> str:
        """All of it.

        Args:
            status: the backend's; None if it can't be asked.
            now: seconds since 1970.
        """
        return "".join(f"{line}\n" for line in (*self._lines(), *_status_lines(status, now)))

    def _lines(self) -> Iterator[str]:
        yield from _head("urep_http_requests_total", "counter", "Requests that were answered.")
        for (method, route, status), count in sorted(self._requests.items()):
            yield f"urep_http_requests_total{_labels(method=method, route=route, status=str(status))} {count}"
        name = "urep_http_request_seconds"
        yield from _head(name, "histogram", "How long an answer took.")
        for (method, route), buckets in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
                total += count
                yield f"{name}_bucket{_labels(method=method, route=route, le=bound)} {total}"
            yield f"{name}_sum{_labels(method=method, route=route)} {self._seconds[method, route]}"
            yield f"{name}_count{_labels(method=method, route=route)} {total}"


def _status_lines(status: Status | None, now: float) -> Iterator[str]:
    values: Mapping[str, tuple[str, float]] = {
        "backend_up": ("Whether the backend tells how it is.", status is not None)
    }
    if status is not None:
        fresh = status.freshness
        oldest = 0.0 if status.oldest is None else max(now - status.oldest, 0.0)
        values = {
            **values,
            "messages_waiting": ("Messages accepted that no vector knows of yet.", status.waiting),
            "oldest_waiting_seconds": ("For how long the oldest of them has waited.", oldest),
            "messages_dead": ("Messages that could not be used.", status.dead),
            "workers": ("Workers that live.", status.workers),
            "users": ("Users of whom something is known.", status.users),
            "vectors": ("Vectors of users in the space that is served.", status.vectors),
        }
        if fresh is not None:
            yield from _head("urep_freshness_seconds", "gauge", "From the acceptance until the vector knows of it.")
            yield f'urep_freshness_seconds{{quantile="0.5"}} {fresh.median}'
            yield f'urep_freshness_seconds{{quantile="0.99"}} {fresh.p99}'
    for name, (help_text, value) in values.items():
        yield from _head(f"urep_{name}", "gauge", help_text)
        yield f"urep_{name} {float(value):g}" if isinstance(value, float) else f"urep_{name} {int(value)}"


def _head(name: str, kind: str, help_text: str) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"


def _labels(**labels: str) -> str:
    # All values are our own words: nothing in them needs an escape.
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
