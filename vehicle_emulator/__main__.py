"""``python -m vehicle_emulator``."""

from __future__ import annotations

from vehicle_emulator.cli import main

if __name__ == "__main__":
    main()
