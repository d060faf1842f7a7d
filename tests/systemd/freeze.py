"""Freeze one thread of a process: `freeze.py THREAD_ID`. Runs on the machine, by root, and needs only Python.

The kernel stops the thread where it is, as a debugger would, and nobody is asked. It stays frozen until its process
ends, and so does this one.
"""

import ctypes
import os
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000

thread = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
    if libc.ptrace(request, thread, None, None) != 0:
        sys.exit(f"thread {thread}: {os.strerror(ctypes.get_errno())}")
os.waitpid(thread, WALL)
os.write(1, b"frozen\n")
os.waitpid(thread, WALL)
