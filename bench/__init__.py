"""Measurements of the line, side by side with the engine doing the same alone."""
