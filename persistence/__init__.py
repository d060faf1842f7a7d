"""The system of record: tables, connections, units of work and repositories over PostgreSQL.

Start at `persistence.database.open_database`; what it hands out is described in `records`, what it raises in
`errors`.
"""
