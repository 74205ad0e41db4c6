"""The soak: independent phones ring a real line while everything around it breaks.

``python -m tests.soak`` runs it; ``python -m tests.soak.checker FOLDER`` judges its evidence.
"""
