//! A load on one kernel: as many messages as its queue takes, and every reply, counted by the host.

use std::time::{Duration, Instant};

use ringscope::{RingKernel, RuntimeError};

/// What the host knows of the messages of one kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Messages sent.
    pub sent: u64,
    /// Replies received.
    pub received: u64,
    /// Replies that say that the message was refused.
    pub refused: u64,
    /// Bytes of the messages.
    pub bytes_in: u64,
    /// Bytes of the replies.
    pub bytes_out: u64,
}

/// Sends the same messages again and again.
pub struct Load<'a> {
    kernel: RingKernel,
    messages: &'a [Vec<u8>],
    counted: Counted,
}

/// More than any message takes on a kernel that is well.
const SOON: Duration = Duration::from_secs(30);

impl<'a> Load<'a> {
    /// Of at least one message.
    pub fn new(kernel: RingKernel, messages: &'a [Vec<u8>]) -> Self {
        Load { kernel, messages, counted: Counted::default() }
    }

    /// Sends what the queue takes, at most `most` messages, and receives what there is.
    pub fn step(&mut self, most: u64) -> Result<(), RuntimeError> {
        for _ in 0..most {
            let message = &self.messages[self.counted.sent as usize % self.messages.len()];
            match self.kernel.try_send(message) {
                Ok(_) => {
                    self.counted.sent += 1;
                    self.counted.bytes_in += message.len() as u64;
                }
                Err(RuntimeError::QueueFull { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        while let Some(reply) = self.kernel.try_receive()? {
            self.note(reply.status, reply.payload.len());
        }
        Ok(())
    }

    /// Waits for the replies that are due.
    pub fn drain(&mut self) -> Result<(), RuntimeError> {
        while self.counted.received < self.counted.sent {
            let reply = self.kernel.receive_blocking(SOON)?;
            self.note(reply.status, reply.payload.len());
        }
        Ok(())
    }

    /// Messages a second, of a queue that is kept full for `slice` and then drained.
    pub fn rate(&mut self, slice: Duration) -> Result<f64, RuntimeError> {
        let before = self.counted.received;
        let start = Instant::now();
        while start.elapsed() < slice {
            for _ in 0..64 {
                self.step(u64::MAX)?;
            }
        }
        self.drain()?;
        Ok((self.counted.received - before) as f64 / start.elapsed().as_secs_f64())
    }

    /// So far.
    pub fn counted(&self) -> Counted {
        self.counted
    }

    fn note(&mut self, status: u32, bytes: usize) {
        self.counted.received += 1;
        self.counted.refused += u64::from(status != 0);
        self.counted.bytes_out += bytes as u64;
    }
}
