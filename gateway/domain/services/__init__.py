"""Services of a connected car, one file each: pure state and what a statement changes."""
