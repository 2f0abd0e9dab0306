"""SQLite behind the Store port: WAL, ``synchronous=FULL``, one writer thread with group commit."""
