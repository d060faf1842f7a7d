"""What the repositories and the indexes are worth: rows in a second beside per-row statements, and queries of a long
history.
"""
