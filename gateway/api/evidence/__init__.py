"""A case's evidence as one file: JSON, or a page to print that holds the same JSON."""
