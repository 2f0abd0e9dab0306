"""The only place that knows libraries."""
