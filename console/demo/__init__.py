"""The demo: a daemon of its own trades recorded prices, loses an actor half way, and its books are proven right."""
