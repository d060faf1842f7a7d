"""Brokers: adapters that turn signals into orders and fills, found by name."""
