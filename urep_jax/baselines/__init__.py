"""What a model must beat, behind the same scoring call."""
