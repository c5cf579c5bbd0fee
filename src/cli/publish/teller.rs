//! What goes wrong with publishing, on stderr, where no live display says it: in the log of a service.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use ringscope::TelemetryCollector;

use crate::cli::term::publishing::PublishingNews;
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, styled};

const LOOK: Duration = Duration::from_secs(1);

/// Tells it until it is dropped.
pub struct Teller {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Teller {
    /// Looks at the snapshots that are collected.
    pub fn start(collector: TelemetryCollector) -> Teller {
        let (end, ended) = channel::<()>();
        let body = move || {
            let mut news = PublishingNews::default();
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                let publishers = collector.latest().map(|now| now.publishers.clone()).unwrap_or_default();
                news.look(&publishers).iter().for_each(|line| terminal::say(&[styled(Style::Warn, line)]));
            }
        };
        // Without a thread nothing is said before the end.
        let thread = std::thread::Builder::new().name("teller".into()).spawn(body).ok();
        Teller { end: Some(end), thread }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has said so.
            let _ = thread.join();
        }
    }
}
