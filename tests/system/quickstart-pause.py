# SPDX-License-Identifier: Apache-2.0
"""Usage: quickstart-pause.py TUTORIAL [OPTION...]

Runs "quickstart --pause OPTION..." of the directory TUTORIAL in a terminal of
its own, and presses Enter at each prompt when nothing has happened for a
while.  Fails unless it stopped at every step of every run and succeeded."""

import os
import pty
import re
import select
import sys
import time

PROMPT = "  [Enter] "
QUIET = 0.3             # Seconds in which a program that waits says nothing.
LIMIT = 280             # Seconds in all.


def steps(tutorial):
    """Returns how many steps quickstart-chain has."""
    with open(tutorial + "/quickstart-chain") as chain:
        return len(re.findall(r"^ *step \"", chain.read(), re.MULTILINE))


class Terminal:
    """A program in a pseudo-terminal."""

    def __init__(self, *command):
        self.output = ""
        self.deadline = time.monotonic() + LIMIT
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execv(command[0], command)

    def read(self, seconds):
        """Reads what comes within 'seconds'.  Returns None if nothing does,
        or "" at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return None
        try:
            data = os.read(self.fd, 65536)
        except OSError:         # EIO: the last process has closed it.
            return ""
        text = data.decode(errors="replace").replace("\r\n", "\n")
        sys.stdout.write(text)
        self.output += text
        return text

    def run_to_prompt(self):
        """Returns true at the next prompt, or false at the end."""
        start = len(self.output)
        while True:
            left = self.deadline - time.monotonic()
            if left <= 0:
                sys.exit("FAILED: timed out")
            if self.output[start:].endswith(PROMPT):
                return True
            if self.read(left) == "":
                return False

    def press_enter(self):
        os.write(self.fd, b"\n")

    def status(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def main(tutorial, *options):
    terminal = Terminal(tutorial + "/quickstart", "--pause", *options)
    stops = 0
    while terminal.run_to_prompt():
        if terminal.read(QUIET) is not None:
            sys.exit("FAILED: it does not wait at a prompt")
        stops += 1
        terminal.press_enter()
    status = terminal.status()

    runs = len(re.findall(r"^=== ", terminal.output, re.MULTILINE))
    headlines = re.findall(r"^\* .*$", terminal.output, re.MULTILINE)
    expected = steps(tutorial)
    print(f"\n{runs} runs with {len(headlines)} steps, {len(set(headlines))} of "
          f"{expected} different ones, {stops} stops, exit status {status}")
    if runs < 2 or status or len(set(headlines)) != expected:
        sys.exit("FAILED: it did not run to its end")
    if stops != len(headlines):
        sys.exit("FAILED: it did not stop at each step")


if __name__ == "__main__":
    main(*sys.argv[1:])
