"""NATS both ways: signals, sessions and ticks in; events and dead letters out. The only place that imports nats."""
