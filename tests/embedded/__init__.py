"""The private servers of a daemon: real ones, in directories of their own."""
