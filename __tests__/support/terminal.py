"""Runs a command on a terminal of its own: `terminal.py COMMAND...`.

Its process id comes first, as a line on standard error. Standard input is typed there, and what
appears there goes to standard output. When standard input ends, the terminal is closed.
"""
import fcntl
import os
import pty
import select
import struct
import sys
import termios

pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
print(f"pid {pid}", file=sys.stderr, flush=True)

sources = [terminal, 0]
while sources:
    for source in select.select(sources, [], [])[0]:
        try:
            data = os.read(source, 65536)
        except OSError:  # The other side is closed.
            data = b""
        if source == 0 and not data:
            sources = []
            break
        if not data:
            sources.remove(terminal)
            sources = []
            break
        os.write(1 if source == terminal else terminal, data)

os.close(terminal)
_, status = os.waitpid(pid, 0)
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
