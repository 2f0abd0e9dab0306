"""A seeded fleet of emulated vehicles that speaks the vehicle side of the contract over MQTT."""
