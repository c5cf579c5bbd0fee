//! A program on a pseudo-terminal, and what that shows.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longer than any of this takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Runs a program on a terminal, copies what the terminal gets to stdout, and does what stdin says, line by line: `type HEX`,
/// `size COLUMNS ROWS`, `signal NAME`. On stderr, line by line: `stopped as-before|changed`, and at the end
/// `ended CODE as-before|changed`, where that is said of the terminal's settings.
const DRIVER: &str = r"
import fcntl, os, pty, resource, select, signal, struct, sys, termios, threading
columns, rows = int(sys.argv[1]), int(sys.argv[2])
master, slave = pty.openpty()
def size(columns, rows):
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
size(columns, rows)
before = termios.tcgetattr(slave)
def settings():
    return 'as-before' if termios.tcgetattr(slave) == before else 'changed'
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.closerange(3, 64)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(sys.argv[3], sys.argv[3:])
def say(text):
    sys.stderr.write(text + '\n')
    sys.stderr.flush()
def copy(seconds):
    while select.select([master], [], [], seconds)[0]:
        sys.stdout.buffer.write(os.read(master, 65536))
        sys.stdout.buffer.flush()
        seconds = 0
commands, open_ = b'', True
while True:
    copy(0.01)
    if open_ and select.select([0], [], [], 0)[0]:
        got = os.read(0, 65536)
        open_ = bool(got)
        commands += got
    while b'\n' in commands:
        line, commands = commands.split(b'\n', 1)
        what, *of = line.decode().split()
        if what == 'type':
            data = bytes.fromhex(of[0])
            while data:
                # A terminal's queue is short: what the program has not read waits.
                data = data[os.write(master, data[:512]):]
                copy(0.01)
        elif what == 'size':
            size(int(of[0]), int(of[1]))
        else:
            os.kill(pid, getattr(signal, of[0]))
    ended, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
    if ended and os.WIFSTOPPED(status):
        copy(0.2)
        say('stopped ' + settings())
    elif ended:
        was = settings()
        os.close(slave)
        # All that it wrote: then nobody has the terminal open any more.
        while select.select([master], [], [], 5)[0]:
            try:
                sys.stdout.buffer.write(os.read(master, 65536))
            except OSError:
                break
        sys.stdout.buffer.flush()
        code = os.waitstatus_to_exitcode(status)
        say('ended %d %s' % (code if code >= 0 else 128 - code, was))
        break
";

/// A program on a terminal.
pub struct Terminal {
    python: Child,
    commands: ChildStdin,
    screen: Arc<Mutex<vt100::Parser>>,
    bytes: Arc<Mutex<Vec<u8>>>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Terminal {
    /// Starts a program; `None`, aloud, without python3.
    pub fn start((columns, rows): (u16, u16), env: &[(&str, &str)], command: &[&str]) -> Option<Terminal> {
        let mut python = Command::new("python3");
        python.args(["-c", DRIVER, &columns.to_string(), &rows.to_string()]).args(command);
        python.env_remove("NO_COLOR").env_remove("COLORTERM").env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8");
        python.envs(env.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut python = match python.spawn() {
            Ok(python) => python,
            Err(error) => {
                eprintln!("NOT TESTED: a pseudo-terminal needs python3, and there is none ({error})");
                return None;
            }
        };
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let (bytes, said) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (parser, all, mut stdout) = (Arc::clone(&screen), Arc::clone(&bytes), python.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut some = [0; 65536];
            while let Ok(count @ 1..) = stdout.read(&mut some) {
                all.lock().unwrap().extend_from_slice(&some[..count]);
                parser.lock().unwrap().process(&some[..count]);
            }
        });
        let (lines, stderr) = (Arc::clone(&said), BufReader::new(python.stderr.take().unwrap()));
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| lines.lock().unwrap().push(line));
        });
        let commands = python.stdin.take().unwrap();
        Some(Terminal { python, commands, screen, bytes, said })
    }

    /// Starts `ringscope` with these arguments.
    pub fn ringscope(size: (u16, u16), env: &[(&str, &str)], args: &[&str]) -> Option<Terminal> {
        let command: Vec<&str> = [env!("CARGO_BIN_EXE_ringscope")].iter().chain(args).copied().collect();
        Terminal::start(size, env, &command)
    }

    /// Types bytes.
    pub fn types(&mut self, bytes: impl AsRef<[u8]>) {
        let hex: String = bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        self.command(&format!("type {hex}"));
    }

    /// Makes the terminal another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        self.command(&format!("size {columns} {rows}"));
    }

    /// Sends the program a signal.
    pub fn signal(&mut self, name: &str) {
        self.command(&format!("signal {name}"));
    }

    fn command(&mut self, line: &str) {
        // A program that has ended takes no more; the test sees that by what it waits for.
        let _ = writeln!(self.commands, "{line}").and_then(|()| self.commands.flush());
    }

    /// What the screen shows.
    pub fn shows(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Whether the program has the whole terminal: the alternate screen, or a hidden cursor, or the mouse.
    pub fn is_taken(&self) -> bool {
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        let mouse = screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None;
        screen.alternate_screen() || screen.hide_cursor() || mouse
    }

    /// All that the terminal got.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    /// Waits until the screen shows something.
    pub fn wait_for(&self, what: &str) -> String {
        self.wait(what, |screen| screen.contains(what))
    }

    /// Waits until the screen is as wanted.
    pub fn wait(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.shows();
            if is_so(&screen) {
                return screen;
            }
            let said = self.said.lock().unwrap().clone();
            let ended = said.iter().any(|line| line.starts_with("ended"));
            assert!(!ended && start.elapsed() < LIMIT, "never {what}; {said:?}:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types keys in turn until the screen is as wanted. A key that comes together with another size, or behind a thousand bytes, is read
    /// with the next one (crossterm 0.29 waits for an edge of its input that has passed).
    pub fn type_until(&mut self, keys: &[&str], is_so: impl Fn(&str) -> bool) {
        let start = Instant::now();
        for key in keys.iter().cycle() {
            if is_so(&self.shows()) {
                return;
            }
            assert!(start.elapsed() < LIMIT, "{keys:?} changes nothing:\n{}", self.shows());
            self.types(key);
            // Esc and a letter that come together are the letter with Alt.
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Waits until the driver says something that begins so, and returns it.
    pub fn wait_until(&self, begin: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(line) = self.said.lock().unwrap().iter().find(|line| line.starts_with(begin)) {
                return line.clone();
            }
            assert!(start.elapsed() < LIMIT, "it never said {begin}:\n{}", self.shows());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end: the code as a shell has it, and whether the terminal is as it was in every respect.
    pub fn end(mut self) -> (i32, bool, String) {
        let line = self.wait_until("ended");
        let _ = self.python.wait();
        // What is left of the output is read by now, or soon.
        let start = Instant::now();
        while self.is_taken() && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let words: Vec<&str> = line.split(' ').collect();
        let is_as_before = words.get(2) == Some(&"as-before") && !self.is_taken();
        (words[1].parse().unwrap(), is_as_before, self.shows())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Of a test that failed: its program ends when its terminal does.
        let _ = self.python.kill();
        let _ = self.python.wait();
    }
}
