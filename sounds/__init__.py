"""What callers hear from the machine: the texts, the voices and the waiting music."""
