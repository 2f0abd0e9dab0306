"""
The SOC of a drill as a process: what it has answered is on file even if it is killed in the next moment.

``python -m bench.soc --port P --ledger FILE``; its illness is set by ``POST /mode/<mode>``.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from tests.support.soc import FakeSoc, serve


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--secret")
    options = parser.parse_args()
    # Unbuffered: a line is with the system before its answer leaves.
    with options.ledger.open("ab", buffering=0) as ledger:
        asyncio.run(serve(FakeSoc(secret=options.secret, port=options.port, ledger=ledger, keep=False)))


if __name__ == "__main__":
    main()
