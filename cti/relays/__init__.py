"""Partner lines that can take a call, and the guard that stands before every dialled number."""
