//! Which span each message was sent in: devices report the number of a message, the host knows the rest.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::trace::context::TraceContext;
use crate::trace::id::FlowId;
use crate::trace::time::Time;

/// What is known of a message that was sent inside a span.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentMessage {
    /// The span in which it was sent.
    pub context: TraceContext,
    /// When it was sent; a device cannot have begun with it before.
    pub time: Time,
    /// The arrow from where it was sent to where it was handled, and to where the reply was taken.
    pub flow: FlowId,
}

/// The newest so many, by kernel and number.
pub(super) struct Messages {
    sent: HashMap<Arc<str>, HashMap<u64, Entry>>,
    order: VecDeque<(Arc<str>, u64, u64)>,
    most: usize,
    serial: u64,
    lost: u64,
}

struct Entry {
    /// Numbers come again when a kernel is launched again; this does not.
    serial: u64,
    message: SentMessage,
    asked: bool,
}

impl Messages {
    pub(super) fn new(most: usize) -> Self {
        Messages { sent: HashMap::new(), order: VecDeque::new(), most, serial: 0, lost: 0 }
    }

    pub(super) fn add(&mut self, kernel: &Arc<str>, number: u64, message: SentMessage) {
        self.serial += 1;
        let entry = Entry { serial: self.serial, message, asked: false };
        self.order.push_back((Arc::clone(kernel), number, self.serial));
        let before = self.sent.entry(Arc::clone(kernel)).or_default().insert(number, entry);
        self.lost += u64::from(before.is_some_and(|entry| !entry.asked));
        while self.order.len() > self.most {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((kernel, number, serial)) = self.order.pop_front() else { return };
        let Some(of_kernel) = self.sent.get_mut(&kernel) else { return };
        if of_kernel.get(&number).is_some_and(|entry| entry.serial == serial) {
            self.lost += u64::from(of_kernel.remove(&number).is_some_and(|entry| !entry.asked));
        }
        if of_kernel.is_empty() {
            self.sent.remove(&kernel);
        }
    }

    pub(super) fn find(&mut self, kernel: &str, number: u64) -> Option<SentMessage> {
        let entry = self.sent.get_mut(kernel)?.get_mut(&number)?;
        entry.asked = true;
        Some(entry.message.clone())
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }
}
