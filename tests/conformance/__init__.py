"""The 64 cases of Erlang's and Elixir's supervisor suites, each on the pure machine and on real threads.

`cases.py` numbers them, `stage.py` is what a case needs, `pure.py` and `threads.py` are its two forms. What differs
from OTP, on purpose:

- A name takes the place of a process id: it is the only way to speak of a child, and the identity of an incarnation is
  its generation.
- A restart in a group stops the others at once, also when the backoff delays the start: where OTP stops those that had
  come up when it tries again, here they are down by then. Whoever terminates the child that does not come up leaves
  the whole group down, to be restarted by hand.
- A request that needs time, such as the start of a child, does not hold up the supervisor: it serves others meanwhile.
  A start that is asked for while a group waits to be restarted comes after it, or with it if the child belongs to it.
- A child that waits to be restarted with its group is `RESTARTING` to requests, where OTP has it as stopped.
- A dynamic supervisor knows its children by their names, and each has a specification of its own.
- Nothing can be killed: `kill` is a handler that hangs until it is abandoned.
- A stop waits for the children's ends and not for those of threads that were abandoned.
"""
