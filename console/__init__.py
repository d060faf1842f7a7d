"""The commands of `alpha-panda`: clients of the daemon's operator socket and of its servers, never of its actors."""
