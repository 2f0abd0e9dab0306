"""Measurements and drills against real processes. Every figure that is printed was counted in that run."""
