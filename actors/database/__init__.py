"""The writer: units of work from every actor become one transaction after the other."""
