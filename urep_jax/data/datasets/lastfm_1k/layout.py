"""How the publisher lays the two files out, and what tracks without an id go by."""

from urep_jax.data.ingest.files import TextFormat

COLUMNS = ("user_id", "timestamp", "artist_mbid", "artist_name", "track_mbid", "track_name")
"""Of the file of listens, which has no header."""

ARTIST = ("artist_mbid", "artist_name")
"""What an artist goes by: the id, else the name."""

TRACK_NAMES = (ARTIST, ("track_name",))
"""What a track without an id goes by."""

LISTENS = TextFormat(delimiter="\t", names=COLUMNS, quote="")
PROFILES = TextFormat(delimiter="\t", quote="")
"""Its first line names the columns."""
