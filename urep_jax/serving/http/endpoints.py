"""What can be asked, one entry a method and path."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from msgspec import Struct

from urep_jax.serving.http import answers, asked
from urep_jax.serving.http.backend import NotReady
from urep_jax.serving.http.desk import Desk, refuse_other_space
from urep_jax.serving.http.refusals import Refusal


class Asked(NamedTuple):
    """What was asked.

    Attributes:
        id: the user's or track's in the path; empty where there is none.
        query: after the question mark, by name.
        body: of the endpoint's type `takes`; None where it has none.
    """

    id: str
    query: Mapping[str, str]
    body: Any


class Endpoint(NamedTuple):
    """A method and a path.

    Attributes:
        method: of HTTP.
        path: with `{user_id}` or `{item_id}` for one segment.
        call: gives a struct of the type `gives`, or plain JSON.
        summary: what it does.
        gives: type of the answer.
        takes: type of the body; None for none.
        status: of the answer.
        refuses: statuses of refusals past those that all have, or that follow from the body and the path.
        query: names of parameters, all of them optional.
        free: whether it is answered without a token, and at any rate.
    """

    method: str
    path: str
    call: Callable[[Desk, Asked], Awaitable[Any]]
    summary: str
    gives: Any
    takes: type[Struct] | None = None
    status: int = HTTPStatus.OK
    refuses: tuple[int, ...] = (503,)
    query: tuple[str, ...] = ()
    free: bool = False


def unknown(what: str) -> Refusal:
    """A refusal of what nothing is known of; whoever asked knows the id, a log needn't."""
    mend = "send events of the user and ask again" if what == "user" else "ask for a track of the catalogue"
    return Refusal(404, f"nothing is known of this {what}", mend)


async def vector(desk: Desk, it: Asked) -> answers.OneVector:
    """The vector of a user."""
    (found,) = await desk.read((it.id,), it.query.get("space_id"))
    if found.vector is None:
        raise unknown("user")
    return answers.one_vector(found.vector, found.spaces)


async def vectors(desk: Desk, it: Asked) -> answers.Vectors:
    """Vectors of several users."""
    found = await desk.read(it.body.user_ids, it.body.space_id)
    return answers.Vectors(found[0].spaces, [one.vector and answers.plain(one.vector) for one in found])


async def events(desk: Desk, it: Asked) -> answers.Accepted:
    """What users heard."""
    told = it.body.events
    return answers.Accepted(await desk.accept(told, [f"$.events[{place}]" for place in range(len(told))]))


async def profiles(desk: Desk, it: Asked) -> answers.Accepted:
    """Who users are."""
    told = it.body.profiles
    return answers.Accepted(await desk.accept(told, [f"$.profiles[{place}]" for place in range(len(told))]))


async def onboarding(desk: Desk, it: Asked) -> answers.Accepted:
    """What a new user picked."""
    told = it.body.parts()
    return answers.Accepted(await desk.accept(told, ["$", "$.profile"][: len(told)]))


async def nearest_users(desk: Desk, it: Asked) -> answers.Neighbours:
    """Users like a user."""
    if it.body.space_id is not None:
        # Who has no vector has no neighbours in any space, and yet another one was asked for.
        await desk.read((it.id,), it.body.space_id)
    found = await desk.search(lambda: desk.backend.nearest_users(it.id, it.body.k))
    if found is None:
        raise unknown("user")
    refuse_other_space(it.body.space_id, found.space_id)
    return found


async def nearest_tracks(desk: Desk, it: Asked) -> answers.Neighbours:
    """Tracks like a track."""
    found = await desk.search(lambda: desk.backend.nearest_tracks(it.id, it.body.modality, it.body.k))
    if found is None:
        raise unknown("track")
    refuse_other_space(it.body.space_id, found.space_id)
    return found


async def rank(desk: Desk, it: Asked) -> answers.Ranking:
    """Items ordered for a user."""
    body = it.body
    found = await desk.ask(lambda: desk.backend.rank(it.id, body.item_ids, body.station_id, body.by))
    if found is None:
        raise unknown("user")
    return found


async def user(desk: Desk, it: Asked) -> answers.User:
    """What is known of a user."""
    found = await desk.search(lambda: desk.backend.user(it.id))
    if found is None:
        raise unknown("user")
    return found


async def forget(desk: Desk, it: Asked) -> answers.Forgotten:
    """Forget a user. Doing it again is no mistake: it may be asked for until it is known to be done."""
    return answers.Forgotten(it.id, await desk.forget(it.id))


async def lineage(desk: Desk, it: Asked) -> Mapping[str, Any]:
    """What the vectors come from."""
    return await desk.ask(desk.backend.lineage)


async def status(desk: Desk, it: Asked) -> answers.Status:
    """How it goes."""
    return await desk.ask(desk.backend.status)


async def dead(desk: Desk, it: Asked) -> answers.TheDead:
    """What could not be used."""
    found = await desk.ask(lambda: desk.backend.dead(answers.MOST_DEAD))
    return answers.TheDead(list(map(answers.dead, found)))


async def alive(desk: Desk, it: Asked) -> answers.Fine:
    """Whether the service runs at all; no store is asked."""
    return answers.Fine()


async def ready(desk: Desk, it: Asked) -> answers.Fine:
    """Whether requests should be sent here."""
    why = await desk.ask(desk.backend.ready)
    if why is not None:
        raise NotReady(why)
    return answers.Fine()


_ONE, _SPACED, _STORED = (404, 503), (404, 409, 503), (503, 507)

ENDPOINTS = (
    Endpoint(
        *("GET", "/v1/users/{user_id}/vector", vector, "The vector of a user", answers.OneVector),
        refuses=_SPACED,
        query=("space_id",),
    ),
    Endpoint(
        *("POST", "/v1/vectors", vectors, "Vectors of several users", answers.Vectors, asked.AskedVectors),
        refuses=(409, 503),
    ),
    Endpoint(
        *("POST", "/v1/events", events, "Tell what users heard", answers.Accepted, asked.ToldEvents),
        status=HTTPStatus.ACCEPTED,
        refuses=_STORED,
    ),
    Endpoint(
        *("POST", "/v1/onboarding", onboarding, "Tell what a new user picked", answers.Accepted, asked.ToldOnboarding),
        status=HTTPStatus.ACCEPTED,
        refuses=_STORED,
    ),
    Endpoint(
        *("POST", "/v1/profiles", profiles, "Tell who users are", answers.Accepted, asked.ToldProfiles),
        status=HTTPStatus.ACCEPTED,
        refuses=_STORED,
    ),
    Endpoint(
        *("POST", "/v1/users/{user_id}/nearest", nearest_users, "Users like a user", answers.Neighbours),
        takes=asked.AskedNearest,
        refuses=_SPACED,
    ),
    Endpoint(
        *("POST", "/v1/tracks/{item_id}/nearest", nearest_tracks, "Tracks like a track", answers.Neighbours),
        takes=asked.AskedNearestTracks,
        refuses=_SPACED,
    ),
    Endpoint(
        *("POST", "/v1/users/{user_id}/rank", rank, "Items ordered for a user", answers.Ranking, asked.AskedRank),
        refuses=_SPACED,
    ),
    Endpoint("GET", "/v1/users/{user_id}", user, "What is known of a user", answers.User, refuses=_ONE),
    Endpoint("DELETE", "/v1/users/{user_id}", forget, "Forget a user", answers.Forgotten),
    Endpoint("GET", "/v1/lineage", lineage, "What the vectors come from", Mapping[str, Any]),
    Endpoint("GET", "/v1/status", status, "How far behind the workers are, and counts", answers.Status),
    Endpoint("GET", "/v1/dead", dead, "The latest messages that could not be used, and why", answers.TheDead),
    Endpoint("GET", "/healthz", alive, "Whether the service runs", answers.Fine, refuses=(), free=True),
    Endpoint("GET", "/readyz", ready, "Whether requests should be sent here", answers.Fine),
)
"""All that answer in JSON. `app` adds the texts: `/metrics`, `/openapi.json` and the page."""
