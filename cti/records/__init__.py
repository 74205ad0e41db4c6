"""What remains of a call: its record, its seal, and the journal that comes before both."""
