"""The telephone engine, behind one door."""
