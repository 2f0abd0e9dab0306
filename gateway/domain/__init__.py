"""What the gateway knows and decides: facts in, effects out. Pure."""
