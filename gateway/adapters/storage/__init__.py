"""Stores by URL scheme. Add one: its package, and its line in ``STORES``."""

from __future__ import annotations

from gateway.adapters.storage.sqlite.store import SqliteStore

STORES = {"sqlite": SqliteStore}
