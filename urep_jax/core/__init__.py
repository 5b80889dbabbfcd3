"""What every room may use and what uses none of ours: types, random streams, the device mesh."""
