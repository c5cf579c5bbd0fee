//! The kernels of sized.cu on any device: what they are sent, and what has to come of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ringscope::device::{KernelSource, Level, Memory, SharedDevice};
use ringscope::snapshot::{Place, RingPlace};
use ringscope::{KernelState, LaunchOptions, RingKernelRuntime, TelemetryConfig};

pub const SIZES: [u32; 6] = [32, 64, 128, 256, 512, 1024];
pub const BLOCKS: u32 = 2;
pub const SOON: Duration = Duration::from_secs(120);
/// No byte.
const NONE: u32 = 256;
const EMPTY: u32 = 256;

/// The mirror of the one in sized.cu.
#[derive(Clone, Copy, bytemuck::NoUninit)]
#[repr(C)]
struct SizedArgs {
    total: u64,
    dynamic: u32,
    deadly: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct SizedReply {
    sum: u64,
    squares: u64,
    threads: u32,
    handled: u32,
    seq: u64,
}

/// A kernel that runs.
pub struct Sized {
    pub runtime: RingKernelRuntime,
    pub level: Level,
    total: Memory,
    threads: u32,
    sent: Vec<Vec<u8>>,
    answered: Vec<bool>,
    refused: u64,
    injected: u64,
    /// Of the messages that were handled and answered: bytes, and their sum.
    bytes: u64,
    sum: u64,
    /// Of each block, by how many messages it had handled: each number once.
    handled: BTreeMap<u32, u32>,
}

/// How a kernel is launched.
#[derive(Clone, Copy)]
pub struct How {
    pub threads: u32,
    pub level: Level,
    pub slots: u32,
    pub dynamic: bool,
    pub deadly: Option<u8>,
    pub inject_errors: f64,
}

impl How {
    pub fn new(threads: u32) -> Self {
        How { threads, level: Level::Histograms, slots: 8, dynamic: false, deadly: None, inject_errors: 0.0 }
    }
}

/// Of so many bytes at most, some of none.
pub fn message(n: u64) -> Vec<u8> {
    let bytes = if n % 11 == 7 { 0 } else { n.wrapping_mul(2_654_435_761) % 300 };
    (0..bytes).map(|i| (n.wrapping_mul(131).wrapping_add(i * 7)) as u8).collect()
}

impl Sized {
    pub fn start(device: &SharedDevice, source: KernelSource, how: How) -> Self {
        let total = device.allocate_mapped(64).expect("memory");
        let runtime = RingKernelRuntime::builder()
            .on(Arc::clone(device))
            .max_kernels(1)
            .slots(how.slots)
            .slot_bytes(512)
            .telemetry(how.level > Level::Off)
            .level(how.level)
            .stop_limit(SOON)
            .start_limit(SOON)
            .telemetry_config(TelemetryConfig { copy_limit: SOON, ..TelemetryConfig::default() })
            .source("sized", source)
            .kernel("sized")
            .build()
            .expect("a runtime");
        if how.level > Level::Off {
            let bytes = runtime.collector().counter("bytes", "Bytes of messages").expect("a name");
            assert_eq!(bytes.on_device().expect("room").index(), 0, "which the handler looks up");
        }
        let deadly = how.deadly.map_or(NONE, u32::from);
        let args = SizedArgs { total: total.device_address(), dynamic: how.dynamic.into(), deadly };
        let shared = if how.dynamic { how.threads * 4 } else { 0 };
        let options = LaunchOptions::new().blocks(BLOCKS).args(&args).keep(&total).shared_bytes(shared);
        runtime.launch_blocking("w", &options.inject_errors(how.inject_errors)).expect("a launch");
        let (sent, answered) = (Vec::new(), Vec::new());
        let (threads, level) = (how.threads, how.level);
        Sized {
            runtime,
            level,
            total,
            threads,
            sent,
            answered,
            refused: 0,
            injected: 0,
            bytes: 0,
            sum: 0,
            handled: BTreeMap::new(),
        }
    }

    pub fn activate(&self) {
        self.runtime.activate_blocking("w").expect("it is activated");
    }

    /// Sends one more, if there is room.
    pub fn try_send(&mut self) -> bool {
        let next = message(self.sent.len() as u64);
        let sent = self.runtime.kernel("w").expect("it is launched").try_send(&next).is_ok();
        if sent {
            self.sent.push(next);
            self.answered.push(false);
        }
        sent
    }

    /// Sends until it has sent so many.
    pub fn send_until(&mut self, count: u64) {
        let patience = Instant::now() + SOON;
        while self.sent() < count {
            if !self.try_send() {
                assert!(Instant::now() < patience, "{} of {count} messages found room", self.sent());
                std::thread::yield_now();
            }
        }
    }

    /// Sends until each block has a reply for which there is no room, and messages wait behind those: `in_hand` messages are
    /// answered or in hand then. How many have to be sent for it depends on the blocks' turns: a message in hand has its
    /// slot still, and one that is slow lets the others run out of messages. Then a reply is received.
    pub fn send_until_all_wait_for_room(&mut self, in_hand: u64) {
        let patience = Instant::now() + SOON;
        loop {
            while self.try_send() {}
            let snapshot = self.runtime.snapshot_blocking().expect("a snapshot");
            let blocks = snapshot.blocks("w").expect("it is known");
            let count = |place| blocks.iter().filter(|block| block.place == Place::Ring(place)).count() as u32;
            // A block may have found room since it said that it waits for it: then its reply is not counted yet.
            let published = snapshot.kernel("w").expect("it is known").messages_sent;
            let is_full = published + u64::from(BLOCKS) == self.answered() + in_hand;
            let all_wait = is_full && count(RingPlace::Room) == BLOCKS;
            if all_wait && self.sent() > self.answered() + in_hand {
                return;
            }
            assert!(Instant::now() < patience, "{blocks:?}");
            let lacks_messages = count(RingPlace::Room) > 0 && count(RingPlace::Message) > 0;
            if all_wait || (is_full && lacks_messages) {
                self.receive();
            }
        }
    }

    pub fn sent(&self) -> u64 {
        self.sent.len() as u64
    }

    pub fn answered(&self) -> u64 {
        self.answered.iter().filter(|answered| **answered).count() as u64
    }

    /// Receives one reply and compares it with what the message was.
    pub fn receive(&mut self) {
        let reply = self.runtime.receive_blocking("w", SOON).expect("a reply");
        self.check(&reply);
    }

    fn check(&mut self, reply: &ringscope::Reply) {
        let at = reply.seq as usize;
        assert!(!std::mem::replace(&mut self.answered[at], true), "message {at} was answered twice");
        let sent = &self.sent[at];
        match reply.status {
            0 => {
                let (head, bytes) = reply.payload.split_at(size_of::<SizedReply>());
                let head: SizedReply = bytemuck::pod_read_unaligned(head);
                let sum: u64 = sent.iter().map(|byte| u64::from(*byte)).sum();
                let squares: u64 = sent.iter().map(|byte| u64::from(*byte) * u64::from(*byte)).sum();
                let expected =
                    SizedReply { sum, squares, threads: self.threads, handled: head.handled, seq: reply.seq };
                assert_eq!(head, expected, "message {at}");
                assert_eq!(bytes, sent, "message {at}");
                *self.handled.entry(head.handled).or_default() += 1;
                self.bytes += sent.len() as u64;
                self.sum += sum;
            }
            1 => self.injected += 1,
            EMPTY => {
                assert!(sent.is_empty(), "message {at} has bytes");
                self.refused += 1;
            }
            other => panic!("message {at}: status {other}"),
        }
    }

    /// Sends so many and receives all replies.
    pub fn traffic(&mut self, count: u64) {
        let until = self.sent() + count;
        while self.answered() < until {
            // A reply may be visible before the word that says that its message's slot is free.
            if self.sent() == until || !self.try_send() {
                match self.answered() == self.sent() {
                    true => std::thread::yield_now(),
                    false => self.receive(),
                }
            }
        }
    }

    /// Waits until that is so.
    pub fn until(&self, what: &str, mut so: impl FnMut(&RingKernelRuntime) -> bool) {
        let patience = Instant::now() + SOON;
        while !so(&self.runtime) {
            assert!(Instant::now() < patience, "{what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends it, takes what replies there still are, and compares what was counted with what was sent: nothing is lost.
    pub fn end(mut self) {
        self.runtime.terminate_blocking("w").expect("it ends");
        while let Ok(Some(reply)) = self.runtime.kernel("w").expect("it was launched").try_receive() {
            self.check(&reply);
        }
        let total = self.total.host_words().expect("mapped memory")[0].load(Ordering::Acquire);
        // Blocks count how many they have handled, each for itself, and all of its threads the same.
        let most = self.handled.values().max().copied().unwrap_or(0);
        assert!(most <= BLOCKS, "{:?}", self.handled);
        if self.level == Level::Off {
            assert!(total >= self.sum);
            return;
        }
        let t = self.runtime.telemetry_blocking("w").expect("it is known");
        assert_eq!(t.state, KernelState::Terminated);
        // Of messages that nobody took, and of replies without room.
        assert_eq!((t.messages_sent, t.messages_sent + t.dropped), (self.answered(), self.sent()), "{t:?}");
        assert_eq!(t.messages_processed + t.errors, t.messages_received, "{t:?}");
        if t.dropped == 0 {
            assert_eq!(t.errors, self.refused + self.injected);
            assert_eq!(total, self.sum);
            assert_eq!(t.bytes_in, self.sent.iter().map(|sent| sent.len() as u64).sum::<u64>());
            let counted = self.runtime.collector().metric("bytes").expect("it is registered").series[0].value.counter();
            assert_eq!(counted, Some(self.bytes));
        }
        if self.level >= Level::Histograms {
            assert_eq!(t.latency.map_or(0, |l| l.count), t.messages_received);
        }
    }
}
