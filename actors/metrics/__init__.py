"""The service's figures for Prometheus, read from what every actor has published."""
