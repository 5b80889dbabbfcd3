"""Graphs of models: closed forms, and what is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lineage.chains import CHAIN
from urep_jax.lineage.graph import ModelGraph, graph_of


def test_parents_come_first_and_else_as_declared() -> None:
    assert CHAIN.order == ("collaborative", "audio", "users", "listening")
    assert ModelGraph({"d": ("c", "b"), "c": ("a",), "b": ("a",), "a": ()}).order == ("a", "c", "b", "d")
    assert ModelGraph({"b": (), "a": (), "c": ()}).order == ("b", "a", "c")


def test_up_and_down_the_stream() -> None:
    assert CHAIN.downstream("audio") == ("users", "listening")
    assert CHAIN.downstream("listening") == ()
    assert CHAIN.upstream("listening") == ("collaborative", "audio", "users")
    assert CHAIN.upstream("audio") == ()


def test_plain_is_read_back() -> None:
    again = graph_of(CHAIN.plain())
    assert again == CHAIN
    assert again.order == CHAIN.order


@given(st.data())
def test_every_graph_without_a_circle_has_an_order(data: st.DataObject) -> None:
    """Against reachability by definition."""
    names = data.draw(st.permutations("abcdef"))
    edges = {name: data.draw(st.sets(st.sampled_from(names[:i]))) if i else set() for i, name in enumerate(names)}
    graph = ModelGraph({name: tuple(edges[name]) for name in sorted(edges)})
    place = {name: graph.order.index(name) for name in names}
    assert all(place[parent] < place[name] for name in names for parent in edges[name])

    def reaches(name: str) -> set[str]:
        return edges[name].union(*(reaches(parent) for parent in edges[name]))

    for name in names:
        assert set(graph.upstream(name)) == reaches(name)
        assert set(graph.downstream(name)) == {other for other in names if name in reaches(other)}
        assert list(graph.downstream(name)) == sorted(graph.downstream(name), key=place.__getitem__)


@pytest.mark.parametrize(
    ("parents", "says"),
    [
        ({"a": ("b",), "b": ("c",), "c": ("b",)}, "b reads c reads b, in a circle"),
        ({"a": ("a",)}, "a reads a, in a circle"),
        ({"a": ("x", "b"), "x": (), "b": ("a",)}, "a reads b reads a, in a circle"),
        ({"a": ("b",)}, "'a' reads 'b', which isn't declared; the graph has a"),
        ({"a": (), "b": ("a", "a")}, "'b' names its parent 'a' twice"),
        ({"": ()}, "'' can't name a model"),
        ({"a b": ()}, "'a b' can't name a model"),
        ({"a-": ()}, "'a-' can't name a model"),
        ({"ä": ()}, "'ä' can't name a model"),
        ({"a\n": ()}, r"'a\n' can't name a model"),
        ({}, "the graph has no model"),
    ],
)
def test_what_is_no_graph_is_refused(parents: dict[str, tuple[str, ...]], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        ModelGraph(parents)


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(ValueError, match="no model 'video' in the graph; it has collaborative, audio"):
        CHAIN.downstream("video")
