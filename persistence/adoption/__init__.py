"""Taking over a database that Alpha Panda made, while it is written to.

A table whose columns must change gets a shadow in the right shape: a trigger notes which of its rows change, they are
copied in batches, and a short transaction puts the shadow in its place. All else is built without blocking writers.
"""
