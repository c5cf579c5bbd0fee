//! The GPU's clock: read when the device is opened, and asked after from then on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::driver::{self, Stream};
use super::gpu::{Gpu, lock, not_ready};
use super::module;
use super::occupancy::Block;
use crate::device::timekeeper::{Bracket, Timekeeper};
use crate::device::{Carveout, DeviceError, Memory};

/// The coarsest tick of any GPU, where one does not tell its own.
const COARSEST_TICK: u64 = 1024;
/// A mapped word that the host looks at while a kernel of one thread writes it.
const LOOK: Duration = Duration::from_micros(200);

/// A kernel of one thread that reads the clock. One at a time; nothing waits for it but its first run.
pub(super) struct ClockProbe {
    gpu: Arc<Gpu>,
    /// What it uses, until it is known to have ended or is given up.
    parts: Option<Parts>,
    epoch: Instant,
    /// When it was started, if its answer was not seen yet.
    started: Option<i64>,
    /// Whether its last run is not known to have ended.
    runs: bool,
}

struct Parts {
    function: module::Function,
    /// What its block takes.
    block: Block,
    stream: Stream,
    mapped: Memory,
}

impl ClockProbe {
    fn new(gpu: &Arc<Gpu>, library: &module::Library) -> Result<Self, DeviceError> {
        let function = library.clock_probe(gpu)?;
        let parts = Parts {
            block: function.block(Carveout::default(), (32, 0))?,
            function,
            stream: Stream::new(&gpu.context)?,
            mapped: gpu.mapped(2 * size_of::<u64>())?,
        };
        Ok(ClockProbe { gpu: Arc::clone(gpu), parts: Some(parts), epoch: Instant::now(), started: None, runs: false })
    }

    fn now(&self) -> i64 {
        self.epoch.elapsed().as_nanos() as i64
    }

    fn parts(&self) -> Result<&Parts, DeviceError> {
        self.parts.as_ref().ok_or_else(|| not_ready("cuLaunchKernel", "the clock is not read any more"))
    }

    /// Starts it, and looks for its answer for so long.
    fn look(&mut self, limit: Duration) -> Result<Option<Bracket>, DeviceError> {
        let from = self.now();
        let parts = self.parts()?;
        parts.mapped.word(0).store(0, Ordering::Relaxed);
        parts.mapped.word(8).store(0, Ordering::Relaxed);
        let _bound = self.gpu.bind()?;
        // SAFETY: the probe takes one pointer by value, to two words that outlive it (see drop).
        let start = || unsafe {
            parts.function.start(1, (1, 0), &parts.stream, &[&parts.mapped.device_address().to_ne_bytes()])
        };
        self.gpu.start_aside(start)?;
        (self.started, self.runs) = (Some(from), true);
        let mut asked = 0u32;
        driver::wait(limit, || {
            asked += 1;
            let parts = self.parts()?;
            // The word itself is seen sooner than the end of the kernel; the stream tells of an error.
            let there = parts.mapped.word(0).load(Ordering::Acquire) != 0;
            Ok(there || (asked.is_multiple_of(1024) && driver::stream_is_done(&self.gpu.context, parts.stream.raw())?))
        })?;
        self.answer()
    }

    /// Its answer, once.
    fn answer(&mut self) -> Result<Option<Bracket>, DeviceError> {
        let Some(from) = self.started else { return Ok(None) };
        let device = self.parts()?.mapped.word(0).load(Ordering::Acquire) as i64;
        let to = self.now();
        Ok((device != 0).then(|| {
            self.started = None;
            Bracket { from, to, device }
        }))
    }

    fn has_ended(&mut self) -> Result<bool, DeviceError> {
        let ended = driver::stream_is_done(&self.gpu.context, self.parts()?.stream.raw())?;
        if ended && std::mem::take(&mut self.runs) {
            self.gpu.count_late(false);
        }
        Ok(ended)
    }

    /// Reads the clock some times, where nothing else runs yet; also returns its tick.
    fn open(&mut self) -> Result<(Vec<Bracket>, u64), DeviceError> {
        const LOOKS: usize = 16;
        const LIMIT: Duration = Duration::from_secs(5);
        let (mut brackets, mut tick) = (Vec::with_capacity(LOOKS), u64::MAX);
        for _ in 0..LOOKS {
            let bracket = self.look(LIMIT)?;
            let ended = bracket.is_some() && driver::wait(LIMIT, || self.has_ended())?;
            let Some(bracket) = bracket.filter(|_| ended) else {
                return Err(not_ready(
                    "cuLaunchKernel",
                    "a kernel of one thread did not run: other kernels fill the GPU",
                ));
            };
            brackets.push(bracket);
            match self.parts()?.mapped.word(8).load(Ordering::Acquire) {
                0 | u64::MAX => {}
                step => tick = tick.min(step),
            }
        }
        Ok((brackets, if tick == u64::MAX { COARSEST_TICK } else { tick }))
    }

    /// Takes the answer of the last run, should it be there by now, and starts another if there is room for a block.
    fn read(&mut self, time: &Timekeeper) -> Result<(), DeviceError> {
        if let Some(bracket) = self.answer()? {
            time.read(bracket);
        }
        if !self.has_ended()? || !self.gpu.leaves_room(self.parts()?.block) {
            return Ok(());
        }
        if let Some(bracket) = self.look(LOOK)? {
            time.read(bracket);
            // Its end is near; until it is known nothing is freed.
            driver::wait(LOOK, || self.has_ended())?;
        }
        Ok(())
    }
}

impl Drop for ClockProbe {
    fn drop(&mut self) {
        const SETTLE: Duration = Duration::from_millis(100);
        let mut ended = || driver::wait(SETTLE, || self.has_ended());
        // An error that is said once may be of another's call.
        match ended().or_else(|_| ended()) {
            Ok(true) => {}
            // The kernel is still waiting for room, and will write its words: it stays counted as late.
            Ok(false) => std::mem::forget(self.parts.take()),
            // It died with its context.
            Err(_) if self.runs => self.gpu.count_late(false),
            Err(_) => {}
        }
    }
}

/// The clock of a GPU; of one that a device is open on already, the one that is fitted since.
pub(super) fn open_clock(gpu: &Arc<Gpu>, library: &module::Library) -> Result<Arc<GpuClock>, DeviceError> {
    static CLOCKS: Mutex<Vec<(Weak<Gpu>, Weak<GpuClock>)>> = Mutex::new(Vec::new());
    let mut known = lock(&CLOCKS);
    known.retain(|(gpu, clock)| gpu.strong_count() > 0 && clock.strong_count() > 0);
    let place = Arc::downgrade(gpu);
    if let Some(clock) = known.iter().find_map(|(other, clock)| other.ptr_eq(&place).then(|| clock.upgrade())?) {
        // Of a context that died nothing new is made, and this call says so.
        Stream::new(&gpu.context)?;
        return Ok(clock);
    }
    let clock = Arc::new(read_first(gpu, library)?);
    known.push((place, Arc::downgrade(&clock)));
    Ok(clock)
}

fn read_first(gpu: &Arc<Gpu>, library: &module::Library) -> Result<GpuClock, DeviceError> {
    let mut probe = ClockProbe::new(gpu, library)?;
    let (brackets, tick) = probe.open()?;
    let time = Timekeeper::fitted(probe.epoch, &brackets, tick)
        .ok_or_else(|| not_ready("cuLaunchKernel", "the GPU's clock was not read"))?;
    Ok(GpuClock { time: Arc::new(time), over: Arc::default(), keeper: Mutex::new(Keeper::Idle(probe)) })
}

/// The fit of a GPU's clock, and the thread that keeps it up to date once somebody uses it.
pub(super) struct GpuClock {
    pub(super) time: Arc<Timekeeper>,
    over: Arc<AtomicBool>,
    keeper: Mutex<Keeper>,
}

enum Keeper {
    Idle(ClockProbe),
    /// Says, by hanging up, that the thread has let go of everything.
    Working(Receiver<()>),
    /// No thread could be made: traffic alone keeps the fit.
    None,
}

impl GpuClock {
    /// The fit, which is kept up to date from now on.
    pub(super) fn kept(&self) -> &Arc<Timekeeper> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        *keeper = match std::mem::replace(&mut *keeper, Keeper::None) {
            Keeper::Idle(probe) => self.start(probe),
            other => other,
        };
        &self.time
    }

    fn start(&self, probe: ClockProbe) -> Keeper {
        let (done, ended) = channel();
        let (time, over) = (Arc::clone(&self.time), Arc::clone(&self.over));
        let work = move || keep(probe, &time, &over, done);
        match std::thread::Builder::new().name("ringscope-time".into()).spawn(work) {
            Ok(_) => Keeper::Working(ended),
            Err(_) => Keeper::None,
        }
    }
}

impl Drop for GpuClock {
    /// Waits for the thread, which looks up every few microseconds; but not for a driver that hangs.
    fn drop(&mut self) {
        const LIMIT: Duration = Duration::from_secs(2);
        self.over.store(true, Ordering::Release);
        self.time.ring();
        if let Keeper::Working(ended) = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let _: Result<(), RecvTimeoutError> = ended.recv_timeout(LIMIT);
        }
    }
}

/// Asks the blocks that poll the host's words; where there are none that answer, a kernel of one thread.
fn keep(mut probe: ClockProbe, time: &Timekeeper, over: &AtomicBool, done: Sender<()>) {
    let is_over = || over.load(Ordering::Acquire);
    let mut works = true;
    loop {
        time.rest();
        if is_over() {
            break;
        }
        // Until its end is known nothing is freed, whether or not anybody looks at the clock by now.
        if probe.runs {
            let _ = probe.has_ended();
        }
        // Nobody is told of a dead context here; who uses the device finds out.
        if !time.ask(is_over) && works && (time.was_wanted() || probe.gpu.runs_something()) {
            works = probe.read(time).is_ok();
        }
    }
    drop(probe);
    drop(done);
}
