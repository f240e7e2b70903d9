"""Our thin ARI client and the voice channel on top of it."""
