"""Files of instruments: opened, cut into lines, and every line proven to be a row or refused with its reason."""
