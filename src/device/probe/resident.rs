//! What runs until it is told to stop: blocks that add to words, and a block that tells the time.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::args::{ProbeArgs, What};
use super::ask::{HALVES_WORDS, Probe, ends};
use crate::abi::LINE_BYTES;
use crate::device::{ClockSample, DeviceError, Launch, Level, Memory};

impl Probe {
    /// Starts `blocks` blocks that add to words whose halves stay equal, until it is dropped.
    ///
    /// # Errors
    /// As [`Kernel::launch`](crate::device::Kernel::launch).
    pub fn halves(&mut self, blocks: u32) -> Result<Halves<'_>, DeviceError> {
        let args =
            ProbeArgs { words: self.halves.device_address(), count: HALVES_WORDS as u64, ..self.args(What::Halves) };
        Ok(Halves::new(self.start(blocks, &args)?, self))
    }

    /// Starts a block that tells the time whenever it is asked, until it is dropped.
    ///
    /// # Errors
    /// As [`Kernel::launch`](crate::device::Kernel::launch).
    pub fn clock(&mut self) -> Result<ClockServer<'_>, DeviceError> {
        let running = self.start(1, &self.args(What::Clock))?;
        Ok(ClockServer::new(running, self))
    }

    /// Starts what ends when it is told to.
    fn start(&self, blocks: u32, args: &ProbeArgs) -> Result<Running, DeviceError> {
        self.input.word(0).store(0, Ordering::Release);
        self.input.word(LINE_BYTES).store(0, Ordering::Release);
        self.output.word(8).store(0, Ordering::Release);
        let kernel = &self.kernels[Level::Histograms as usize];
        // SAFETY: as for the questions that end: `new` sized this memory, which is kept, for what the arguments say.
        let launch = unsafe { kernel.launch(blocks, &[bytemuck::bytes_of(args)], self.memory()) }?;
        Ok(Running::new(launch, self.input.clone()))
    }
}

/// A probe that runs until this is dropped, which waits for its end, within bounds.
#[derive(Debug)]
struct Running {
    launch: Box<dyn Launch>,
    stop: Memory,
}

impl Running {
    fn new(launch: Box<dyn Launch>, stop: Memory) -> Self {
        Running { launch, stop }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.word(0).store(1, Ordering::Release);
        // The blocks look at the word every few microseconds. What they died of is returned by the next call.
        let _ = ends(&*self.launch, Duration::from_secs(5));
    }
}

/// Blocks that add to words whose halves stay equal: a copied word that was torn shows.
#[derive(Debug)]
pub struct Halves<'a> {
    running: Running,
    /// Nothing else is asked meanwhile.
    probe: &'a mut Probe,
}

impl<'a> Halves<'a> {
    fn new(running: Running, probe: &'a mut Probe) -> Self {
        Halves { running, probe }
    }

    /// Copies all words once while they are added to; how many there are, and how many of them were torn.
    ///
    /// # Errors
    /// That the blocks have ended, [`DeviceError::CopyTimedOut`], or the failed call.
    pub fn copy(&mut self) -> Result<(usize, usize), DeviceError> {
        let copier = &mut self.probe.copier;
        copier.copy(std::slice::from_ref(&(0..HALVES_WORDS * 8)), Duration::from_secs(2))?;
        let words = copier.words();
        Ok((words.len(), words.iter().filter(|word| **word >> 32 != **word & 0xffff_ffff).count()))
    }

    /// Additions so far, as of the last copy.
    pub fn additions(&self) -> u64 {
        self.probe.copier.words().iter().map(|word| word & 0xffff_ffff).sum()
    }

    /// Whether all of its blocks are still running, as they should.
    ///
    /// # Errors
    /// What they died of.
    pub fn is_running(&self) -> Result<bool, DeviceError> {
        self.running.launch.ended().map(|ended| !ended)
    }
}

/// A block that tells the device's time.
#[derive(Debug)]
pub struct ClockServer<'a> {
    running: Running,
    /// Nothing else is asked meanwhile.
    probe: &'a Probe,
    asked: u64,
}

impl<'a> ClockServer<'a> {
    fn new(running: Running, probe: &'a Probe) -> Self {
        ClockServer { running, probe, asked: 0 }
    }

    /// Both clocks now: of `looks` looks, the one with the shortest round trip.
    ///
    /// # Errors
    /// What the block died of, or that it does not answer.
    pub fn sample(&mut self, looks: u32) -> Result<ClockSample, DeviceError> {
        let mut best = self.look()?;
        for _ in 1..looks {
            let sample = self.look()?;
            if sample.uncertainty_ns < best.uncertainty_ns {
                best = sample;
            }
        }
        Ok(best)
    }

    fn look(&mut self) -> Result<ClockSample, DeviceError> {
        const ANSWER: Duration = Duration::from_secs(5);
        self.asked += 1;
        // Should the system take this thread away between the two, the round trip tells.
        let start = Instant::now();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.probe.input.word(LINE_BYTES).store(self.asked, Ordering::Release);
        let mut looked = 0u32;
        while self.probe.answer(1) != self.asked {
            std::hint::spin_loop();
            looked = looked.wrapping_add(1);
            if looked.is_multiple_of(4096) {
                std::thread::yield_now();
                self.running.launch.ended()?;
                if start.elapsed() > ANSWER {
                    return Err(DeviceError::NoAnswer { waited: ANSWER });
                }
            }
        }
        let round_trip = start.elapsed().as_nanos() as u64;
        Ok(ClockSample {
            device_ns: self.probe.answer(0),
            unix_ns: unix.as_nanos() as u64 + round_trip / 2,
            uncertainty_ns: round_trip.div_ceil(2),
            drift_ppb: 0,
            tick_ns: 0,
            restarts: 0,
        })
    }
}
