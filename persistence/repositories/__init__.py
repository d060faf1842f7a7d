"""One repository for each aggregate. None of them commits: the unit of work does."""
