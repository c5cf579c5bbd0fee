//! Where publications are left for a thread: bounded, and nobody waits at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::publish::publication::Publication;

/// Publications that lie there at most.
const MOST: usize = 4;

/// What the thread is told.
pub(super) enum Message {
    /// Publish this.
    Publication(Pending),
    /// Try to send what waits now, within this time, and say whether nothing of it waits any more.
    Flush(Duration, Sender<bool>),
    /// Try to send what waits within this time, then end.
    Stop(Duration),
}

/// A publication that lies there.
pub(super) struct Pending {
    publication: Publication,
    lying: Arc<AtomicUsize>,
}

impl Pending {
    pub(super) fn take(self) -> Publication {
        self.lying.fetch_sub(1, Ordering::Relaxed);
        self.publication
    }
}

/// The side of those who leave something.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    sender: UnboundedSender<Message>,
    lying: Arc<AtomicUsize>,
}

impl Mailbox {
    pub(super) fn new() -> (Self, UnboundedReceiver<Message>) {
        let (sender, receiver) = unbounded_channel();
        (Mailbox { sender, lying: Arc::default() }, receiver)
    }

    /// Leaves a publication; returns false if there is no room, or nobody takes them any more.
    pub(super) fn leave(&self, publication: Publication) -> bool {
        let free = |lying: usize| (lying < MOST).then_some(lying + 1);
        if self.lying.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_err() {
            return false;
        }
        self.tell(Message::Publication(Pending { publication, lying: Arc::clone(&self.lying) }))
    }

    /// Returns false if nobody listens any more.
    pub(super) fn tell(&self, message: Message) -> bool {
        self.sender.send(message).is_ok()
    }
}
