"""From messages to decisions to deliveries: asyncio, ports, no library."""
