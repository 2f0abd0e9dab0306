"""Vehicle Gateway: from a theft sensor to a Security Operation Center, with nothing lost."""
