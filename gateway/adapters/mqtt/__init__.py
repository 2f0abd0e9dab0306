"""The only importer of aiomqtt and paho: sessions, manual acknowledgement, publishing, self-test."""
