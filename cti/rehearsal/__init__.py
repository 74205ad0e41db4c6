"""Scripted telephones with real sound, which call the line as a person would and judge it.

They know nothing of the rest of the house, so what they tell about it is worth something.
"""

from __future__ import annotations

from cti.rehearsal.phone import CallEnded, Phone, PhoneCall, RegistrationRefused

__all__ = ["CallEnded", "Phone", "PhoneCall", "RegistrationRefused"]
