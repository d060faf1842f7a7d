"""The way from an empty or an old database to `persistence.models`, one change at a time, up and down."""
