#!/usr/bin/env python3
"""Runs a program on a terminal of its own, presses keys, and draws what the terminal shows as SVG.

usage: scripts/terminal-picture.py [--size COLUMNSxROWS] STEP... -- COMMAND [ARGUMENT]...

Steps, in this order:
  wait:SECONDS        lets the program work
  until:TEXT          waits until the terminal shows TEXT (at most 60 s)
  key:NAME            presses a key: a character, or Enter, Esc, Tab, Up, Down, Left, Right, Space, Ctrl-C
  type:TEXT           presses one key after the other
  picture:FILE.svg    draws what is shown now
  text:FILE.txt       writes what is shown now as text; - is stdout

At the end the program gets q, and then SIGTERM. The terminal has all colours and UTF-8; --env NAME=VALUE says otherwise. What
it shows is worked out by pyte, which is fetched from Python's packages into the ignored folder .terminal-picture once.
"""
import argparse
import fcntl
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ["pyte==0.8.2", "wcwidth==0.2.14"]
KEYS = {"Enter": "\r", "Esc": "\x1b", "Tab": "\t", "Up": "\x1b[A", "Down": "\x1b[B", "Right": "\x1b[C", "Left": "\x1b[D",
        "Space": " ", "Ctrl-C": "\x03", "PgDn": "\x1b[6~", "PgUp": "\x1b[5~", "End": "\x1b[F", "Home": "\x1b[H"}
# Pixels of a cell.
WIDE, HIGH, FONT = 8.4, 18, 14
PAPER, INK = "#12161c", "#d5dae1"
NAMED = {"black": "#1b2027", "red": "#c4553b", "green": "#3aa17e", "brown": "#c99a2e", "blue": "#4a86c5", "magenta": "#b07aa1",
         "cyan": "#3aa8a8", "white": "#c8ccd2", "brightblack": "#757c86", "brightred": "#e8734a", "brightgreen": "#55c79b",
         "brightbrown": "#e6c34a", "brightblue": "#6aaee8", "brightmagenta": "#d195bf", "brightcyan": "#62cfcf",
         "brightwhite": "#ffffff"}


def fail(text):
    sys.exit(f"terminal-picture: {text}")


def packages():
    folder = ROOT / ".terminal-picture"
    if not (folder / "pyte").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "--no-deps", *PACKAGES]
        subprocess.run(pip, check=True, stdout=sys.stderr)
    sys.path.insert(0, str(folder))


class Terminal:
    """A program on a pseudo-terminal, and what that shows."""

    def __init__(self, columns, rows, command, env):
        import pyte
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.environ.update(env)
            os.environ.pop("NO_COLOR", None) if "NO_COLOR" not in env else None
            os.execvp(command[0], command)
        self.ended = False

    def read(self, seconds, until=lambda: False):
        end = time.monotonic() + seconds
        while not self.ended and not until():
            left = end - time.monotonic()
            if left <= 0:
                return
            if select.select([self.fd], [], [], left)[0]:
                try:
                    got = os.read(self.fd, 65536)
                except OSError:
                    got = b""
                self.ended = not got
                self.stream.feed(got)

    def shows(self, text):
        return any(text in line for line in self.screen.display)

    def close(self):
        if not self.ended:
            os.write(self.fd, b"q")
            self.read(15)
        if not self.ended:
            os.kill(self.pid, signal.SIGTERM)
            self.read(15)
        os.waitpid(self.pid, 0)


def colour(name, otherwise):
    if name == "default":
        return otherwise
    return NAMED.get(name) or f"#{name}"


def look(cell):
    ink, paper = colour(cell.fg, INK), colour(cell.bg, PAPER)
    if cell.reverse:
        ink, paper = paper, ink
    return ink, paper, cell.bold, cell.underscore


def block(char, x, y, ink):
    """Blocks are drawn, so that they meet, whatever the font."""
    eighths = "▁▂▃▄▅▆▇█"
    from_left = "▏▎▍▌▋▊▉"
    rect = lambda x, y, w, h: f'<rect x="{x:.2f}" y="{y:.2f}" width="{w:.2f}" height="{h:.2f}" fill="{ink}"/>'
    if char in eighths:
        high = HIGH * (eighths.index(char) + 1) / 8
        return rect(x, y + HIGH - high, WIDE + 0.05, high)
    if char in from_left:
        return rect(x, y, WIDE * (from_left.index(char) + 1) / 8, HIGH)
    if char == "─":
        return rect(x, y + HIGH / 2, WIDE + 0.05, 1)
    return None


def svg(screen):
    width, height = screen.columns * WIDE + 16, screen.lines * HIGH + 16
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
           f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="DejaVu Sans Mono,Menlo,Consolas,monospace" '
           f'font-size="{FONT}" xml:space="preserve">',
           f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>']
    for row in range(screen.lines):
        y = 8 + row * HIGH
        cells = [screen.buffer[row][column] for column in range(screen.columns)]
        column = 0
        while column < len(cells):
            start, (ink, paper, bold, under) = column, look(cells[column])
            while column < len(cells) and look(cells[column]) == (ink, paper, bold, under):
                column += 1
            text = "".join(cell.data for cell in cells[start:column])
            x, wide = 8 + start * WIDE, (column - start) * WIDE
            if paper != PAPER:
                out.append(f'<rect x="{x:.2f}" y="{y}" width="{wide:.2f}" height="{HIGH}" fill="{paper}"/>')
            out.extend(runs(text, x, y, ink, bold, under))
    out.append("</svg>")
    return "\n".join(out) + "\n"


def runs(text, x, y, ink, bold, under):
    """Words at their places, and blocks."""
    plain, at = [], x
    place = x
    for char in text + "\0":
        drawn = block(char, place, y, ink) if char else None
        ends = char in " \0" or drawn
        if ends and plain:
            style = ' font-weight="bold"' if bold else ""
            style += ' text-decoration="underline"' if under else ""
            wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in plain) * WIDE
            yield (f'<text x="{at:.2f}" y="{y + 13.5}" fill="{ink}" textLength="{wide:.2f}"{style}>'
                   f'{escape("".join(plain))}</text>')
            plain = []
        if drawn:
            yield drawn
        if not ends and char:
            if not plain:
                at = place
            plain.append(char)
        # The second half of a wide character is an empty cell.
        place += WIDE


def perform(terminal, step):
    what, _, value = step.partition(":")
    if what == "wait":
        terminal.read(float(value))
    elif what == "until":
        terminal.read(60, lambda: terminal.shows(value))
        terminal.shows(value) or fail(f"the terminal never showed {value!r}:\n" + "\n".join(terminal.screen.display))
    elif what == "key":
        os.write(terminal.fd, KEYS.get(value, value).encode())
        terminal.read(0.4)
    elif what == "type":
        for char in value:
            os.write(terminal.fd, char.encode())
            terminal.read(0.1)
    elif what == "picture":
        pathlib.Path(value).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(value).write_text(svg(terminal.screen))
    elif what == "text":
        text = "\n".join(line.rstrip() for line in terminal.screen.display) + "\n"
        sys.stdout.write(text) if value == "-" else pathlib.Path(value).write_text(text)
    else:
        fail(f"unknown step {step!r}; see --help")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="120x36", help="columns and rows of the terminal (120x36)")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="of the program's environment")
    parser.add_argument("step", nargs="+")
    split = sys.argv.index("--") if "--" in sys.argv else fail("no command; see --help")
    args, command = parser.parse_args(sys.argv[1:split]), sys.argv[split + 1:]
    packages()
    columns, rows = (int(n) for n in args.size.split("x"))
    env = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    env.update(pair.split("=", 1) for pair in args.env)
    terminal = Terminal(columns, rows, command, env)
    try:
        for step in args.step:
            perform(terminal, step)
    finally:
        terminal.close()


if __name__ == "__main__":
    main()
