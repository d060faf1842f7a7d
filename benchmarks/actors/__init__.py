"""The actor runtime beside plain pykka."""
