//! Hangs: since when, where, why, until when.

use std::sync::Arc;
use std::time::SystemTime;

use ringscope::alert::Severity;
use ringscope::{KernelTelemetry, Snapshot};

use super::happening::{Happening, What};

/// The kernels that hang now.
#[derive(Debug, Default)]
pub struct Hangs(Vec<Hang>);

#[derive(Debug)]
struct Hang {
    kernel: Arc<str>,
    since: SystemTime,
    seen: SystemTime,
    why: String,
}

impl Hangs {
    /// Looks at the next snapshot; returns the hangs that are over.
    pub fn take(&mut self, now: &Snapshot) -> Vec<Happening> {
        let mut over = Vec::new();
        self.0.retain_mut(|hang| {
            let kernel = now.kernel(&hang.kernel);
            // Of several silent blocks the longest may come back.
            let same = kernel.and_then(KernelTelemetry::stalled_since).is_some_and(|since| since <= hang.seen);
            if !same {
                over.push(hang.told(now.time, false, kernel));
            }
            same
        });
        for kernel in now.kernels.iter().filter(|kernel| kernel.stall.is_some()) {
            self.look_at(kernel, now);
        }
        over
    }

    /// Returns those that are not over.
    pub fn end(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.0).iter().map(|hang| hang.told(hang.seen, true, None)).collect()
    }

    fn look_at(&mut self, kernel: &KernelTelemetry, now: &Snapshot) {
        let Some(stall) = &kernel.stall else { return };
        let why = why(kernel, now);
        match self.0.iter_mut().find(|hang| hang.kernel == kernel.kernel_id) {
            Some(hang) => {
                hang.seen = now.time;
                // The first look may find a block on its way; the longer it lasts, the more it says.
                hang.why = why;
            }
            None => {
                let (kernel, since) = (Arc::clone(&kernel.kernel_id), stall.since);
                self.0.push(Hang { kernel, since, seen: now.time, why });
            }
        }
    }
}

impl Hang {
    fn told(&self, until: SystemTime, lasts: bool, kernel: Option<&KernelTelemetry>) -> Happening {
        let became = match kernel {
            Some(kernel) if kernel.state.has_ended() => format!("; it ended as {}", kernel.state),
            _ => String::new(),
        };
        Happening {
            time: self.since,
            until: Some(until),
            lasts,
            severity: Severity::Critical,
            what: What::Hang,
            subject: Arc::clone(&self.kernel),
            text: format!("{}{became}", self.why),
        }
    }
}

/// Where its blocks are and what they wait for: the sentence without what stands in other columns.
fn why(kernel: &KernelTelemetry, now: &Snapshot) -> String {
    let stuck = now.stuck_kernel(&kernel.kernel_id).filter(|stuck| !stuck.groups.is_empty());
    match (stuck, &kernel.stall) {
        (Some(stuck), _) => {
            let head = format!("{} hangs since {:.1} s: ", stuck.kernel_id, stuck.lasts.as_secs_f64());
            let sentence = stuck.to_string();
            sentence.strip_prefix(&head).map(str::to_owned).unwrap_or(sentence)
        }
        (None, Some(stall)) => stall.status.to_string(),
        (None, None) => String::new(),
    }
}
