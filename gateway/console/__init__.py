"""The operators' page: static files that the API serves. No build step, nothing from elsewhere."""
