//! A load on one kernel: as many messages as its queue takes, and every reply, counted by the host.

use std::time::{Duration, Instant};

use ringscope::{RingKernel, RuntimeError};

use crate::cli::workload::counts::HostCounts;

/// Sends the same messages again and again.
pub struct Load<'a> {
    kernel: RingKernel,
    messages: &'a [Vec<u8>],
    counted: HostCounts,
}

/// More than any message takes on a kernel that is well.
const SOON: Duration = Duration::from_secs(30);

impl<'a> Load<'a> {
    /// Of at least one message.
    pub fn new(kernel: RingKernel, messages: &'a [Vec<u8>]) -> Self {
        Load { kernel, messages, counted: HostCounts::default() }
    }

    /// Sends what the queue takes, at most `most` messages, and receives what there is.
    pub fn step(&mut self, most: u64) -> Result<(), RuntimeError> {
        for _ in 0..most {
            let message = &self.messages[self.counted.sent as usize % self.messages.len()];
            match self.kernel.try_send(message) {
                Ok(_) => self.counted.count_sent(message.len()),
                Err(RuntimeError::QueueFull { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        while let Some(reply) = self.kernel.try_receive()? {
            self.counted.count_reply(reply.status, reply.payload.len());
        }
        Ok(())
    }

    /// Waits for the replies that are due.
    pub fn drain(&mut self) -> Result<(), RuntimeError> {
        while self.counted.replies < self.counted.sent {
            let reply = self.kernel.receive_blocking(SOON)?;
            self.counted.count_reply(reply.status, reply.payload.len());
        }
        Ok(())
    }

    /// Messages a second, of a queue that is kept full for `slice` and then drained.
    pub fn rate(&mut self, slice: Duration) -> Result<f64, RuntimeError> {
        let before = self.counted.replies;
        let start = Instant::now();
        while start.elapsed() < slice {
            for _ in 0..64 {
                self.step(u64::MAX)?;
            }
        }
        self.drain()?;
        Ok((self.counted.replies - before) as f64 / start.elapsed().as_secs_f64())
    }

    /// So far.
    pub fn counted(&self) -> HostCounts {
        self.counted
    }
}
