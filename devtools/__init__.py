"""Tools around the code: environment, broker, demo. Standard library only: they run before anything else."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
