"""The daemon as a service: how soon it is ready, what it costs while idle, and how soon it says how it is."""
