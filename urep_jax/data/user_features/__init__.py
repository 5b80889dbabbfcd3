"""From a user's events and profile at a moment to x_u: what the autoencoder reads."""
