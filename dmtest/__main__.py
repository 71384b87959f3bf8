"""Run the command line: ``dmtest`` and ``python -m dmtest``."""

import os
import signal
import sys
from types import FrameType


def main() -> int:
    """Run the command line in a process of its own; an interruption is one line, at any time.

    Ctrl-C and SIGTERM end the command with 130 and 143; its output files are as they were before,
    or whole.
    """
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        from dmtest.cli.main import main as command

        code = command(interrupts=received)
    except KeyboardInterrupt:  # before the command line was there
        _say("dmtest: interrupted")
    finally:
        # What is left is to end: a second Ctrl-C ends the process at once.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
    if received:
        # At once: threads may be at work for seconds, and where code was being imported Python
        # would end with SIGINT whatever is returned.
        os._exit(128 + received[0])
    return code


def _say(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # there is nobody to read it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


if __name__ == "__main__":
    sys.exit(main())
