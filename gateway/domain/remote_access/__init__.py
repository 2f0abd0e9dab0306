"""Commands to a vehicle: who may ask for what, what becomes of it, and that it happens at most once."""
