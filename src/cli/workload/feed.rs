//! The input, without waiting for it: a pipe that has nothing to say must not keep replies, the display or Ctrl-C waiting.

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use crate::cli::workload::input::{Input, InputError, Part};

/// Parts read ahead of a pipe.
const AHEAD: usize = 64;

/// What there is of the input at this moment.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A part; a message is in the caller's buffer.
    Part(Part),
    /// Nothing yet.
    Later,
    /// Nothing any more.
    End,
}

type Read = Result<Option<(Part, Vec<u8>)>, InputError>;

/// An input that is read when it is asked, or, if it may keep one waiting, by a thread of its own.
pub enum Feed {
    /// Regular files.
    Files(Box<Input>),
    /// Something else among them.
    Thread(Receiver<Read>),
}

impl Feed {
    /// Of `input`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(input: Input) -> Result<Feed, InputError> {
        if input.bytes().is_some() {
            return Ok(Feed::Files(Box::new(input)));
        }
        let (sender, receiver) = sync_channel(AHEAD);
        let mut input = input;
        // Nobody waits for this thread: it may be in a read that never returns when the program ends.
        let thread = std::thread::Builder::new().name("input".into()).spawn(move || {
            loop {
                let mut message = Vec::new();
                let read: Read = input.next(&mut message).map(|part| part.map(|part| (part, message)));
                let last = !matches!(read, Ok(Some(_)));
                if sender.send(read).is_err() || last {
                    return;
                }
            }
        });
        thread.map_err(InputError::NoThread)?;
        Ok(Feed::Thread(receiver))
    }

    /// What there is now; a message goes to `message`.
    ///
    /// # Errors
    /// As [`Input::next`].
    pub fn next(&mut self, message: &mut Vec<u8>) -> Result<Next, InputError> {
        match self {
            Feed::Files(input) => Ok(input.next(message)?.map_or(Next::End, Next::Part)),
            Feed::Thread(parts) => match parts.try_recv() {
                Err(TryRecvError::Empty) => Ok(Next::Later),
                Err(TryRecvError::Disconnected) => Ok(Next::End),
                Ok(read) => match read? {
                    None => Ok(Next::End),
                    Some((part, bytes)) => {
                        *message = bytes;
                        Ok(Next::Part(part))
                    }
                },
            },
        }
    }
}
