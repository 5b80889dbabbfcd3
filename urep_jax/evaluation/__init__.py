"""One file for each protocol of the papers."""
