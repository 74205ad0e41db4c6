"""A stand-in for the engine, so that whole days of calls can be lived through in seconds."""
