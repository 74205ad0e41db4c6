"""Couples the telephone to people and screens."""
