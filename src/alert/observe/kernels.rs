//! What rules see of kernels.

use std::time::Duration;

use super::look::{Look, Of};
use super::part::{Part, recorded_since, since};
use crate::alert::rule::Rule;
use crate::alert::watch::{Scope, Watch};
use crate::snapshot::{KernelState, KernelTelemetry, rate};

pub(super) fn values<'a>(rule: &'a Rule, look: &Look<'a>, each: &mut dyn FnMut(Of<'a>, Part)) {
    let is_windowed = rule.watch.kind().is_windowed;
    if is_windowed && look.begin.is_none() {
        return;
    }
    let of = look.now.kernels.iter().enumerate().filter(|(_, kernel)| rule.of.matches(&kernel.kernel_id));
    for (place, kernel) in of {
        // Kernels keep their places.
        let at_begin = |begin: &'a crate::snapshot::Snapshot| {
            let same = begin.kernels.get(place).filter(|before| before.kernel_id == kernel.kernel_id);
            same.or_else(|| begin.kernel(&kernel.kernel_id))
        };
        let before = look.begin.filter(|_| is_windowed).and_then(at_begin);
        if let Some(part) = value(rule, kernel, before, look) {
            each(Of::Named(Scope::Kernels, &kernel.kernel_id), part);
        }
    }
}

fn value(rule: &Rule, now: &KernelTelemetry, before: Option<&KernelTelemetry>, look: &Look<'_>) -> Option<Part> {
    let elapsed = look.elapsed();
    let count = |read: fn(&KernelTelemetry) -> u64| since(read(now), before.map_or(0, read));
    let age = |at: std::time::SystemTime| look.now.time.duration_since(at).unwrap_or_default().as_secs_f64();
    let takes_messages = matches!(now.state, KernelState::Active | KernelState::Stalled);
    Some(match &rule.watch {
        Watch::Latency(_) => Part::nanoseconds(recorded_since(&now.histogram, before.map(|b| &*b.histogram))),
        Watch::Waiting(_) => {
            let then = before.and_then(|before| Some(&*before.waiting.as_ref()?.histogram));
            Part::nanoseconds(recorded_since(&now.waiting.as_ref()?.histogram, then))
        }
        Watch::FailureRate => {
            let failed = count(|k| k.errors) as f64;
            Part::Ratio(failed, failed + count(|k| k.messages_processed) as f64)
        }
        Watch::Errors => Part::Sum(rate(count(|k| k.errors), elapsed)),
        Watch::Throughput => {
            // One that has not had the whole window says nothing.
            before.filter(|_| takes_messages && elapsed >= rule.over)?;
            Part::Sum(rate(count(|k| k.messages_processed), elapsed))
        }
        Watch::QueueDepth => Part::count(now.queue_depth),
        Watch::QueueFull => Part::count(count(|k| k.queue_full)),
        Watch::Busy => {
            let busy = now.busy_time.saturating_sub(before.map_or(Duration::ZERO, |b| b.busy_time));
            Part::Ratio(busy.as_secs_f64(), elapsed.as_secs_f64() * f64::from(now.blocks.max(1)))
        }
        // There is one only after a limit: it is never 0.
        Watch::Stalled => Part::Worst(now.stall.as_ref().map_or(0.0, |stall| age(stall.since).max(1e-9))),
        Watch::Heartbeat => Part::Worst(age(now.last_sign_of_life.filter(|_| !now.state.has_ended())?)),
        Watch::Silence => Part::Worst(age(now.last_message_time.or(now.start_time).filter(|_| takes_messages)?)),
        Watch::Failed => Part::truth(now.state == KernelState::Failed),
        Watch::Dropped => Part::count(count(|k| k.dropped)),
        Watch::TraceLost => Part::count(count(|k| k.trace.map_or(0, |trace| trace.lost))),
        _ => return None,
    })
}
