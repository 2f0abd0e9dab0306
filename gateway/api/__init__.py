"""The HTTP side: for the SOC, for owners, for monitoring, and the operators' page."""
