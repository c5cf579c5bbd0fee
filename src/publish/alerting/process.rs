//! A command that is run once: no shell, a time limit, bounded output, and nobody waits for what it leaves behind.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal};

use crate::publish::error::PublishError;
use crate::publish::http::begin_of;

/// The most of what it says that is kept.
const MOST_SAID: usize = 8 << 10;
/// How soon its end is noticed.
const LOOK: Duration = Duration::from_millis(5);

/// What is run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) argv: Vec<String>,
    pub(super) limit: Duration,
}

/// A child that does not outlive this.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // It leads a group of its own, and was not waited for: the number is still its own.
            if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            }
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

impl Run {
    /// Runs it with `input` at its stdin, and waits for its end. Blocks for the limit at most.
    ///
    /// # Errors
    /// It is not there, which is permanent; it ends with another code than 0, or not within the limit.
    pub(super) fn once(&self, input: &[u8], variables: &[(String, String)]) -> Result<(), PublishError> {
        let mut child = self.spawn(variables)?;
        let (mut stdin, mut stderr) = (child.0.stdin.take(), child.0.stderr.take());
        stdin.iter().for_each(does_not_block);
        stderr.iter().for_each(does_not_block);
        let (begun, mut left, mut said) = (Instant::now(), input, Vec::new());
        loop {
            write_some(&mut stdin, &mut left);
            read_some(&mut stderr, &mut said);
            if let Some(status) = child.0.try_wait().map_err(|error| self.failed(&error.to_string()))? {
                read_some(&mut stderr, &mut said);
                return self.ended(status, &said);
            }
            if begun.elapsed() >= self.limit {
                return Err(PublishError::TimedOut { peer: self.program().to_owned(), limit: self.limit });
            }
            std::thread::sleep(LOOK);
        }
    }

    fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    fn spawn(&self, variables: &[(String, String)]) -> Result<Guarded, PublishError> {
        let mut command = Command::new(self.program());
        command.args(self.argv.iter().skip(1)).envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        command.spawn().map(Guarded).map_err(|error| {
            let reason = format!("{}: {error}", self.program());
            match error.kind() {
                ErrorKind::NotFound | ErrorKind::PermissionDenied => PublishError::permanent(reason),
                _ => PublishError::transient(reason),
            }
        })
    }

    fn failed(&self, reason: &str) -> PublishError {
        PublishError::transient(format!("{}: {reason}", self.program()))
    }

    fn ended(&self, status: ExitStatus, said: &[u8]) -> Result<(), PublishError> {
        if status.success() {
            return Ok(());
        }
        Err(self.failed(&format!("it ended with {status}: {}", begin_of(said))))
    }
}

fn does_not_block(pipe: &impl AsFd) {
    // Where that fails, the time limit of the attempt is all there is.
    if let Ok(flags) = rustix::fs::fcntl_getfl(pipe) {
        let _ = rustix::fs::fcntl_setfl(pipe, flags | OFlags::NONBLOCK);
    }
}

/// Writes what the pipe takes; at the end, and where nobody reads, closes it.
fn write_some(stdin: &mut Option<ChildStdin>, left: &mut &[u8]) {
    while let Some(pipe) = stdin {
        match pipe.write(left) {
            Ok(0) => *stdin = None,
            Ok(written) => *left = &left[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => *stdin = None,
        }
    }
}

/// Reads what is there, and keeps the begin of it. What a command says without end is read a piece at a time.
fn read_some(stderr: &mut Option<ChildStderr>, said: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    for _ in 0..64 {
        let Some(pipe) = stderr else { return };
        match pipe.read(&mut buffer) {
            Ok(0) => *stderr = None,
            Ok(read) => {
                let room = MOST_SAID.saturating_sub(said.len());
                said.extend_from_slice(&buffer[..read.min(room)]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => *stderr = None,
        }
    }
}
