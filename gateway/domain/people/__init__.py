"""What people do to the registry: fields, consents, codes, users, hand-over."""
