//! What is streamed through the kernels: options that every command has which starts a workload.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use ringscope::Builtin;

use crate::cli::devices::Devices;
use crate::cli::values::{black_box, duration, fraction, interval, slots, whole};
use crate::cli::workload::input::Limit;
use crate::cli::workload::matrices::{MOST_FACTORS, side};

/// What the kernels do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Work {
    /// Reply with the message's CRC-32C. From the replies the CRC of each whole file is computed
    Crc32c,
    /// Reply with the message itself
    Echo,
    /// Reply with the sum of the message's two halves, as vectors of f32, bit for bit as the host computes it (any NaN
    /// equals any other). Zeros fill up the last message of a file to a multiple of 8 bytes
    VectorAdd,
    /// Reply with the product of two square matrices of f32, by blocks of 256 threads, bit for bit as the host computes it. Their
    /// elements are the message's bytes, 0 to 255, and zeros behind the last
    MatmulF32,
}

impl Work {
    /// The built-in kernel that does it.
    pub fn builtin(self) -> Builtin {
        match self {
            Work::Crc32c => Builtin::Crc32c,
            Work::Echo => Builtin::Echo,
            Work::VectorAdd => Builtin::VectorAdd,
            Work::MatmulF32 => Builtin::MatmulF32,
        }
    }
}

/// What is streamed, by `run`, `serve` and `trace`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Files to stream, one after the other [default: ringscope's own executable]
    #[arg(value_name = "FILE")]
    pub paths: Vec<PathBuf>,

    /// What the kernels do with each message
    #[arg(long, value_enum, default_value = "crc32c", value_name = "NAME")]
    pub kernel: Work,

    /// Number of ring kernels, 1 to 256, called worker_0, worker_1, … [default: 3, or one for each device if these are more]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u32, 1, 256>)]
    pub kernels: Option<u32>,

    /// Blocks of each kernel, 1 to 1024. They share its queue; on the host device each block
    /// is a thread, and at most 256 threads a core in all
    #[arg(long, default_value_t = 1, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u32, 1, 1024>)]
    pub blocks: u32,

    /// Size of a message in bytes, 1 to 1048576. The last message of a file may be shorter
    #[arg(long, default_value_t = 4096, value_name = "BYTES", allow_negative_numbers = true, value_parser = whole::<u32, 1, { 1 << 20 }>)]
    pub message_bytes: u32,

    /// Messages that each kernel's queue holds: a power of two, 2 to 65536 [default: 256, or fewer if all queues
    /// together would take more than 64 MB]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = slots)]
    pub slots: Option<u32>,

    /// Device to run on: auto, cuda, cuda:N, host, several of these, such as cuda:0,cuda:1, which get the kernels in turn, or
    /// cuda:all or all for every GPU; auto and all take CUDA if it works, else the host, and say why
    #[arg(long, default_value = "auto", value_name = "DEVICES")]
    pub device: Devices,

    /// Time between two readings of the telemetry, 10ms to 24h
    #[arg(long, default_value = "500ms", value_name = "TIME", allow_hyphen_values = true, value_parser = interval)]
    pub interval: Duration,

    /// Repeat the files for this time, such as 500ms, 10s, 1.5m or 2h [default: stream them once]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = duration, conflicts_with = "messages")]
    pub duration: Option<Duration>,

    /// Repeat the files until this many messages were sent [default: stream them once]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64, 1, { u64::MAX }>)]
    pub messages: Option<u64>,

    /// Fraction of the messages that the kernels refuse, 0 to 1, to see errors counted
    #[arg(long, default_value_t = 0.0, value_name = "FRACTION", allow_hyphen_values = true, value_parser = fraction)]
    pub inject_errors: f64,

    /// Give up when no kernel has replied for this time while messages are under way
    #[arg(long, default_value = "30s", value_name = "TIME", allow_hyphen_values = true, value_parser = duration)]
    pub reply_timeout: Duration,

    /// Launch kernels that were compiled without telemetry. Replies are checked all the same
    #[arg(long)]
    pub no_telemetry: bool,

    /// Records that each block keeps in host memory, which can be read after its kernel died: a power of two, 64 to 16384,
    /// or 0 for none. The error of a died kernel then says where it was. Each message costs stores over the link
    #[arg(long, default_value_t = 0, value_name = "N", allow_negative_numbers = true, value_parser = black_box)]
    pub black_box: u32,

    /// Print one JSON document on stdout instead of the summary table
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// What no single option can know to be wrong.
    pub fn check(&self) -> Result<(), clap::Error> {
        let bytes = self.message_bytes;
        let why = match self.kernel {
            Work::VectorAdd if !bytes.is_multiple_of(8) => {
                "--kernel vector_add adds two halves of f32, so it must be a multiple of 8".to_owned()
            }
            Work::MatmulF32 if bytes > MOST_FACTORS => {
                format!("--kernel matmul_f32 has exact sums of so many products, so it must be at most {MOST_FACTORS}")
            }
            _ => return Ok(()),
        };
        let message = format!("invalid value '{bytes}' for '--message-bytes <BYTES>': {why}");
        Err(clap::Error::raw(ErrorKind::ValueValidation, message))
    }

    /// When the stream ends.
    pub fn limit(&self) -> Limit {
        match (self.duration, self.messages) {
            (Some(time), _) => Limit::Time(time),
            (None, Some(messages)) => Limit::Messages(messages),
            (None, None) => Limit::OnePass,
        }
    }

    /// Bytes that a slot must hold: a message, and a reply, of which a CRC is the smallest.
    pub fn slot_bytes(&self) -> u32 {
        match self.kernel {
            Work::MatmulF32 => 16 + 8 * side(self.message_bytes as usize).pow(2) as u32,
            _ => self.message_bytes.max(16),
        }
    }

    /// Kernels on so many devices: as asked, else a few, and at least one on each.
    pub fn kernels(&self, devices: usize) -> u32 {
        const FEW: u32 = 3;
        self.kernels.unwrap_or_else(|| u32::try_from(devices).unwrap_or(u32::MAX).max(FEW))
    }

    /// Slots of each of so many rings: as asked, else as many as keep all rings together under 64 MB.
    pub fn slots(&self, kernels: u32) -> u32 {
        const MOST_BYTES: u64 = 64 << 20;
        let fits =
            |slots: &u32| 2 * u64::from(*slots) * u64::from(kernels) * u64::from(self.slot_bytes()) <= MOST_BYTES;
        let reduced = || [256, 128, 64, 32, 16, 8, 4].into_iter().find(fits).unwrap_or(2);
        self.slots.unwrap_or_else(reduced)
    }

    /// Records of each ring: as many as keep all rings together under 64 MB.
    pub fn ring_records(&self) -> u32 {
        const MOST_BYTES: u64 = 64 << 20;
        let shards = u64::from(self.kernels(1)) * u64::from(self.blocks);
        let fits = |records: &u32| shards * u64::from(*records) * 16 <= MOST_BYTES;
        [16_384, 8192, 4096, 2048, 1024, 512, 256, 128].into_iter().find(fits).unwrap_or(64)
    }
}
