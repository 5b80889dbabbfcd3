"""A small world for agents' tests."""

from urep_jax.models.candidate_scorer import CandidateScorerConfig
from urep_jax.simulation.satisfaction import SatisfactionParams, World, make_world
from urep_jax.simulation.satisfaction.candidates import anything
from urep_jax.simulation.streaming import StreamingParams

STREAMING = StreamingParams(num_users=40, num_tracks=90, num_artists=30, num_shows=8, num_genres=5, num_topics=3)
PARAMS = SatisfactionParams(weeks=2.0)
NETWORK = CandidateScorerConfig(width=4, hidden=8)


def tiny_world(count: int = 20) -> World:
    """Forty listeners, 98 items."""
    return make_world(STREAMING, 3, offer=anything(count, pools=4))
