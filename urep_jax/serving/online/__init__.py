"""Vectors that follow the listener: messages come in, a worker keeps what is known of users, and encodes them anew."""
