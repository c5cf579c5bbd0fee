//! The messages: fed to the kernels, their replies drained and checked, all on the calling thread.
//!
//! A message goes to the next kernel that has room, so a slow kernel holds nobody up; replies are taken whenever there
//! are any, so a kernel never waits for room for long. Whatever is bounded here waits for a reply that is under way,
//! never for one that has yet to be asked for: no deadlock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringscope::abi::status::REFUSED;
use ringscope::{Reply, RingKernel, RuntimeError};

use crate::cli::workload::args::Work;
use crate::cli::workload::check::{Assembly, Expected, FileSum, crc_told, pad};
use crate::cli::workload::counts::HostCounts;
use crate::cli::workload::feed::{Feed, Next, Part};
use crate::cli::workload::input::{InputError, Limit, Source, shown};
use crate::cli::workload::reader::Waits;
use crate::cli::workload::silence::Silence;

/// What a display may know of the stream while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of the input whose replies were received.
    pub bytes: AtomicU64,
    /// Messages whose replies were received.
    pub messages: AtomicU64,
    /// Wrong replies.
    pub mismatches: AtomicU64,
    /// Refused messages.
    pub refused: AtomicU64,
}

/// What a stream is to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What the kernels do.
    pub work: Work,
    /// When to end.
    pub limit: Limit,
    /// Bytes of a message.
    pub message_bytes: u32,
    /// Slots of each ring.
    pub slots: u32,
    /// Whether kernels were told to refuse some messages.
    pub refusals: bool,
    /// How long no kernel may reply while messages are under way.
    pub reply_timeout: Duration,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// From the first message to the last reply.
    pub time: Duration,
    /// Bytes of the input that were sent.
    pub input_bytes: u64,
    /// Messages sent.
    pub messages: u64,
    /// Wrong replies.
    pub mismatches: u64,
    /// Messages refused, as was asked for.
    pub refused: u64,
    /// Each kernel.
    pub counts: Vec<HostCounts>,
    /// Each file.
    pub files: Vec<FileSum>,
    /// Whether somebody ended it.
    pub interrupted: bool,
    /// Why there was no message, where the input has not ended and gave none.
    pub no_input: Option<String>,
    /// What went wrong, for a person: at most [`MOST_TROUBLES`] of a kind that comes often.
    pub troubles: Vec<String>,
}

/// Wrong replies that are described one by one.
const MOST_TROUBLES: u64 = 5;
/// Messages between two looks at the clock and the replies.
const BATCH: usize = 64;
/// How long the replies under way may take, all of them together, once somebody wants the end.
const LAST_REPLIES: Duration = Duration::from_secs(10);

/// One kernel, and what it owes.
struct Lane {
    kernel: RingKernel,
    /// Message number of the oldest in `owed`.
    first: u64,
    owed: VecDeque<Option<Owed>>,
    /// It ended or failed: what it owes will not come.
    dead: bool,
}

/// A message under way.
struct Owed {
    place: u64,
    file: usize,
    offset: u64,
    bytes: u64,
    expected: Expected,
}

/// A message that no kernel has taken yet.
struct Held {
    file: usize,
    offset: u64,
    bytes: u64,
}

/// A stream under way.
pub struct Stream<'a> {
    plan: Plan,
    sources: &'a [Source],
    feed: Feed,
    lanes: Vec<Lane>,
    next_lane: usize,
    message: Vec<u8>,
    held: Option<Held>,
    /// Nothing more is to be read.
    ended: bool,
    /// Because there is nothing more.
    input_ended: bool,
    assembly: Assembly,
    progress: &'a Progress,
    outcome: Outcome,
}

impl<'a> Stream<'a> {
    /// Of `sources`, which `feed` gives, through `kernels`.
    pub fn new(
        plan: Plan,
        sources: &'a [Source],
        feed: Feed,
        kernels: Vec<RingKernel>,
        progress: &'a Progress,
    ) -> Self {
        let assembly = Assembly::new(sources.len(), plan.message_bytes);
        let outcome = Outcome { counts: vec![HostCounts::default(); kernels.len()], ..Outcome::default() };
        let lanes =
            kernels.into_iter().map(|kernel| Lane { kernel, first: 0, owed: VecDeque::new(), dead: false }).collect();
        let message = Vec::with_capacity(plan.message_bytes as usize);
        let (held, next_lane, ended, input_ended) = (None, 0, false, false);
        Stream { plan, sources, feed, lanes, next_lane, message, held, ended, input_ended, assembly, progress, outcome }
    }

    /// Streams until the end of the plan, a trouble, or `stop`; then waits for the replies under way.
    pub fn run(mut self, stop: &AtomicBool) -> Outcome {
        let start = Instant::now();
        let (mut idle, mut closing) = (Idle::new(start), None);
        while !self.done() {
            let stopped = stop.load(Ordering::Relaxed);
            let time_is_up = self.time_is_up(start);
            if !self.ended && (stopped || time_is_up) {
                self.outcome.interrupted = stopped;
                self.ended = true;
            }
            let drained = self.drain();
            let moved = if self.ended { drained } else { self.feed() || drained };
            let limit = if stopped { LAST_REPLIES.min(self.plan.reply_timeout) } else { self.plan.reply_timeout };
            if stopped || time_is_up {
                // Replies that trickle in must not put off the end.
                let lasts = closing.get_or_insert_with(|| Silence::since(Instant::now())).look(Instant::now());
                if lasts >= limit && self.under_way() > 0 {
                    self.give_up("are unanswered", lasts);
                    break;
                }
            }
            if moved {
                idle = Idle::new(Instant::now());
            } else {
                let silent = idle.wait();
                if silent >= limit && self.under_way() > 0 {
                    self.give_up(
                        "are under way and there was no reply: the kernels hang, or answer too seldom",
                        silent,
                    );
                    break;
                }
            }
        }
        self.outcome.time = start.elapsed();
        self.outcome.no_input = self.no_input();
        self.outcome.files = self.assembly.files().to_vec();
        self.tell_differing_files();
        self.outcome
    }

    fn no_input(&self) -> Option<String> {
        let path = |file: usize| shown(&self.sources[file].path);
        match self.feed.waits().filter(|_| self.outcome.messages == 0 && !self.input_ended)? {
            Waits::ForWriter(file) => Some(format!("waiting for {}: nothing has opened it for writing", path(file))),
            Waits::ForBytes(file) => Some(format!("waiting for {}: no whole message was written to it", path(file))),
        }
    }

    fn done(&self) -> bool {
        self.ended && self.under_way() == 0
    }

    fn under_way(&self) -> u64 {
        let alive = self.lanes.iter().zip(&self.outcome.counts).filter(|(lane, _)| !lane.dead);
        alive.map(|(_, c)| c.sent - c.replies).sum()
    }

    fn time_is_up(&self, start: Instant) -> bool {
        matches!(self.plan.limit, Limit::Time(limit) if start.elapsed() >= limit)
    }

    /// Ends the feeding for a reason; what is under way is still waited for.
    fn trouble(&mut self, what: String) {
        self.outcome.troubles.push(what);
        self.ended = true;
    }

    fn give_up(&mut self, what: &str, waited: Duration) {
        let owed = self.under_way();
        let waited = waited.as_secs_f64();
        self.trouble(format!("after {waited:.1} s {owed} messages {what}; fewer --kernels or --blocks answer sooner"));
    }

    // ---- sending -------------------------------------------------------------------------------------

    /// Sends up to a batch; whether any was.
    fn feed(&mut self) -> bool {
        for sent in 0..BATCH {
            match self.hold_next() {
                Ok(true) if self.offer() => {}
                Ok(_) => return sent > 0,
                Err(error) => {
                    self.trouble(error.to_string());
                    return sent > 0;
                }
            }
        }
        true
    }

    /// Sees to it that a message is held, if there is one and replies are not too far behind.
    fn hold_next(&mut self) -> Result<bool, InputError> {
        // Far more than all rings hold: it is reached when one message takes longer than thousands of others.
        let most = 4 * self.lanes.len() * self.plan.slots as usize;
        while self.held.is_none() && !self.ended && self.assembly.len() < most {
            if matches!(self.plan.limit, Limit::Messages(limit) if self.outcome.messages >= limit) {
                self.end_at_limit();
                break;
            }
            match self.feed.next(&mut self.message)? {
                Next::End => (self.ended, self.input_ended) = (true, true),
                Next::Later => break,
                Next::Part(Part::FileEnd { file, bytes, crc }) => self.assembly.file_end(file, bytes, crc),
                Next::Part(Part::Message { file, offset }) => {
                    let bytes = self.message.len() as u64;
                    pad(self.plan.work, &mut self.message);
                    self.held = Some(Held { file, offset, bytes });
                }
            }
        }
        Ok(self.held.is_some() && !self.ended)
    }

    /// The last message may have been the last of its file, whose CRC is then known.
    fn end_at_limit(&mut self) {
        match self.feed.next(&mut self.message) {
            // A file's end comes soon.
            Ok(Next::Later) => self.ended = !self.feed.is_regular(),
            Ok(Next::Part(Part::FileEnd { file, bytes, crc })) => {
                self.assembly.file_end(file, bytes, crc);
                self.ended = true;
            }
            _ => self.ended = true,
        }
    }

    /// Offers the held message to one kernel after the other; whether one took it.
    fn offer(&mut self) -> bool {
        let lanes = self.lanes.len();
        for lane in (0..lanes).map(|i| (self.next_lane + i) % lanes) {
            match self.lanes[lane].kernel.try_send(&self.message) {
                Ok(_) => {
                    self.sent(lane);
                    self.next_lane = (lane + 1) % lanes;
                    return true;
                }
                Err(RuntimeError::QueueFull { .. }) => {}
                Err(error) => {
                    self.trouble(error.to_string());
                    return false;
                }
            }
        }
        false
    }

    fn sent(&mut self, lane: usize) {
        let Some(Held { file, offset, bytes }) = self.held.take() else { return };
        let place = self.assembly.message(bytes as usize);
        let expected = Expected::new(self.plan.work, &self.message);
        self.lanes[lane].owed.push_back(Some(Owed { place, file, offset, bytes, expected }));
        self.outcome.counts[lane].count_sent(self.message.len());
        self.outcome.messages += 1;
        self.outcome.input_bytes += bytes;
    }

    // ---- receiving -----------------------------------------------------------------------------------

    /// Takes the replies that are there; whether there were any.
    fn drain(&mut self) -> bool {
        let mut any = false;
        for lane in 0..self.lanes.len() {
            // At most a ring of them, then it is the other kernels' turn.
            for _ in 0..self.plan.slots {
                let HostCounts { sent, replies, .. } = self.outcome.counts[lane];
                if sent == replies || self.lanes[lane].dead {
                    break;
                }
                match self.lanes[lane].kernel.try_receive() {
                    Ok(None) => break,
                    Ok(Some(reply)) => self.received(lane, &reply),
                    Err(error) => self.lost(lane, &error),
                }
                any = true;
            }
        }
        any
    }

    /// A kernel ended with messages in hand: they are not waited for.
    fn lost(&mut self, lane: usize, error: &RuntimeError) {
        let HostCounts { sent, replies, .. } = self.outcome.counts[lane];
        self.lanes[lane].dead = true;
        let id = self.lanes[lane].kernel.id();
        self.trouble(format!("{id} left {} messages unanswered: {error}", sent - replies));
    }

    fn received(&mut self, lane: usize, reply: &Reply) {
        self.outcome.counts[lane].count_reply(reply.status, reply.payload.len());
        self.progress.messages.fetch_add(1, Ordering::Relaxed);
        let Some(owed) = self.lanes[lane].settle(reply.seq) else {
            let what = format!("a reply to its message {}, which it has answered or was never sent", reply.seq);
            return self.wrong(lane, &what);
        };
        self.progress.bytes.fetch_add(owed.bytes, Ordering::Relaxed);
        let right = reply.status == 0 && owed.expected.is(&reply.payload);
        let crc = if right { crc_told(self.plan.work, &reply.payload) } else { None };
        self.assembly.result(owed.place, crc);
        if reply.status == REFUSED && self.plan.refusals {
            self.outcome.refused += 1;
            self.progress.refused.fetch_add(1, Ordering::Relaxed);
        } else if !right {
            let what = self.describe(&owed, reply);
            self.wrong(lane, &what);
        }
    }

    fn wrong(&mut self, lane: usize, what: &str) {
        self.outcome.mismatches += 1;
        self.progress.mismatches.fetch_add(1, Ordering::Relaxed);
        if self.outcome.mismatches <= MOST_TROUBLES {
            self.outcome.troubles.push(format!("{}: {what}", self.lanes[lane].kernel.id()));
        }
    }

    fn describe(&self, owed: &Owed, reply: &Reply) -> String {
        let path = shown(&self.sources[owed.file].path);
        let place = format!("the {} bytes at {} of {path}", owed.bytes, owed.offset);
        let answer = match (reply.status, &reply.payload[..]) {
            (0, [a, b, c, d]) => format!("were answered with {:08x}", u32::from_le_bytes([*a, *b, *c, *d])),
            (0, other) => format!("were answered with {} other bytes", other.len()),
            (code, _) => format!("were refused with code {code}"),
        };
        format!("{place} {answer}; expected {}", owed.expected.describe())
    }

    fn tell_differing_files(&mut self) {
        let sources = self.sources;
        for (source, sum) in sources.iter().zip(&self.outcome.files) {
            if let (Some(told), Some(host)) = (sum.crc32c, sum.differs_from) {
                let path = shown(&source.path);
                self.outcome
                    .troubles
                    .push(format!("{path}: its CRC-32C from the replies is {told:08x}, the host's {host:08x}"));
            }
        }
    }
}

impl Lane {
    /// Takes the message off the list, if it is on it.
    fn settle(&mut self, seq: u64) -> Option<Owed> {
        let at = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        let owed = self.owed.get_mut(at)?.take()?;
        while let Some(None) = self.owed.front() {
            self.owed.pop_front();
            self.first += 1;
        }
        Some(owed)
    }
}

/// Waiting politely while nothing moves: an answer is microseconds away, or it is not, and then the cores belong to
/// those who compute it.
struct Idle {
    silence: Silence,
    tries: u32,
}

impl Idle {
    fn new(since: Instant) -> Idle {
        Idle { silence: Silence::since(since), tries: 0 }
    }

    /// Waits a little, and returns how long nothing has moved.
    fn wait(&mut self) -> Duration {
        self.tries = self.tries.saturating_add(1);
        match self.tries {
            ..16 => std::hint::spin_loop(),
            16..48 => std::thread::yield_now(),
            _ => {
                std::thread::sleep(Duration::from_micros(50));
                return self.silence.look(Instant::now());
            }
        }
        Duration::ZERO
    }
}

#[cfg(all(test, feature = "host"))]
mod tests {
    use super::*;
    use crate::cli::workload::input::Input;
    use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime};

    static NEVER: AtomicBool = AtomicBool::new(false);

    /// Streams 100 messages of 1,000 bytes through two kernels that do `kernel`, and expects crc32c of them.
    fn stream(kernel: &str, inject_errors: f64, meanwhile: impl FnOnce(&RingKernelRuntime)) -> Outcome {
        let path =
            std::env::temp_dir().join(format!("ringscope-stream-{}-{kernel}-{inject_errors}", std::process::id()));
        std::fs::write(&path, [7; 100_000]).unwrap();
        let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel(kernel).slots(8).build().unwrap();
        let kernels = ["a", "b"].map(|id| {
            let options = LaunchOptions::new().inject_errors(inject_errors);
            runtime.launch_blocking(id, &options).unwrap();
            runtime.activate_blocking(id).unwrap();
            runtime.kernel(id).unwrap()
        });
        meanwhile(&runtime);
        let (work, limit) = (Work::Crc32c, Limit::OnePass);
        let input = Input::new(std::slice::from_ref(&path), limit).unwrap();
        let reply_timeout = Duration::from_secs(60);
        let plan = Plan { work, limit, message_bytes: 1000, slots: 8, refusals: false, reply_timeout };
        let sources = input.sources().to_vec();
        let feed = Feed::new(input, plan.message_bytes).unwrap();
        let outcome = Stream::new(plan, &sources, feed, kernels.into(), &Progress::default()).run(&NEVER);
        std::fs::remove_file(&path).unwrap();
        outcome
    }

    #[test]
    fn wrong_replies_are_counted_and_the_first_ones_described() {
        let outcome = stream("echo", 0.0, |_| {});
        assert_eq!((outcome.mismatches, outcome.refused, outcome.messages), (100, 0, 100));
        assert_eq!(outcome.troubles.len(), 5);
        // Whichever were answered first.
        for told in &outcome.troubles {
            assert!(told.contains("the 1000 bytes at ") && told.contains("000 of ") || told.contains(" at 0 of "));
            assert!(told.contains("were answered with 1000 other bytes; expected the CRC "), "{told}");
        }
        assert_eq!(outcome.files[0].crc32c, None);
    }

    #[test]
    fn refusals_that_nobody_asked_for_are_wrong_replies() {
        let outcome = stream("crc32c", 1.0, |_| {});
        assert_eq!((outcome.mismatches, outcome.refused, outcome.counts[0].refused), (100, 0, outcome.counts[0].sent));
        assert!(outcome.troubles[0].contains("were refused with code 1"), "{:?}", outcome.troubles);
    }

    #[test]
    fn a_kernel_that_has_ended_ends_the_stream_with_its_reason() {
        let outcome = stream("crc32c", 0.5, |runtime| runtime.terminate_blocking("b").unwrap());
        assert!(outcome.messages < 100);
        assert!(outcome.troubles.iter().any(|t| t.contains("kernel `b` is terminated")), "{:?}", outcome.troubles);
    }
}
