"""The durable path, from a message in a stream to rows and published messages, beside FastStream and SQLAlchemy."""
