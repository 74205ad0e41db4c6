"""The life of each call."""
