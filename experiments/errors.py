"""How a person is told of an error that they can mend."""

import sys
from typing import NoReturn

from rich.console import Console
from rich.text import Text


def fail(error: Exception) -> NoReturn:
    """Tell an error in a line, and end with status 1."""
    Console(stderr=True).print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
    sys.exit(1)
