//! What waiting as a future costs against waiting as a thread: the same messages through the same kernel, in turns.
//!
//! `cargo bench --bench async` prints messages a second of both and the ratio of each pair (median, and the quartiles);
//! then what a runtime costs whose receivers wait for nothing. `--test` goes through it once.

use std::time::{Duration, Instant};

use ringscope::{DeviceSpec, LaunchOptions, Replies, Reply, RingKernel, RingKernelRuntime, RuntimeError};

const SLOTS: u32 = 256;
const SOON: Duration = Duration::from_secs(30);

/// Keeps as many messages under way as the rings are sure to hold.
const UNDER_WAY: u64 = SLOTS as u64;

fn one_thread(kernel: &RingKernel, messages: u64) -> Result<(), RuntimeError> {
    for n in 0..messages + UNDER_WAY {
        if n >= UNDER_WAY {
            kernel.receive_blocking(SOON)?;
        }
        if n < messages {
            kernel.send_blocking(b"16 bytes of text")?;
        }
    }
    Ok(())
}

async fn one_task(kernel: RingKernel, messages: u64) -> Result<(), RuntimeError> {
    for n in 0..messages + UNDER_WAY {
        if n >= UNDER_WAY {
            kernel.receive(SOON).await?;
        }
        if n < messages {
            kernel.send(b"16 bytes of text").await?;
        }
    }
    Ok(())
}

/// In two tasks, as most programs would have it.
async fn two_tasks(kernel: &RingKernel, messages: u64) -> Result<(), RuntimeError> {
    let sender = kernel.clone();
    let sends = tokio::spawn(async move {
        for _ in 0..messages {
            sender.send(b"16 bytes of text").await?;
        }
        Ok(())
    });
    for _ in 0..messages {
        kernel.receive(SOON).await?;
    }
    sends.await.unwrap_or(Ok(()))
}

fn two_threads(kernel: &RingKernel, messages: u64) -> Result<(), RuntimeError> {
    std::thread::scope(|scope| {
        let sends = scope.spawn(|| (0..messages).try_for_each(|_| kernel.send_blocking(b"16 bytes of text").map(drop)));
        (0..messages).try_for_each(|_| kernel.receive_blocking(SOON).map(drop))?;
        sends.join().unwrap_or(Ok(()))
    })
}

/// One message at a time, there and back.
fn trips_of_a_thread(kernel: &RingKernel, messages: u64) -> Result<(), RuntimeError> {
    let mut reply = Reply::default();
    for _ in 0..messages {
        kernel.send_blocking(b"16 bytes of text")?;
        kernel.receive_into_blocking(&mut reply, SOON)?;
    }
    Ok(())
}

async fn trips_of_a_task(kernel: RingKernel, messages: u64) -> Result<(), RuntimeError> {
    let mut reply = Reply::default();
    for _ in 0..messages {
        kernel.send(b"16 bytes of text").await?;
        kernel.receive_into(&mut reply, SOON).await?;
    }
    Ok(())
}

const BATCH: [&[u8]; 64] = [b"16 bytes of text"; 64];

/// As many as the rings are sure to hold, in batches.
fn batches_of_a_thread(kernel: &RingKernel, messages: u64) -> Result<(), RuntimeError> {
    let (mut replies, mut sent, mut received) = (Replies::new(BATCH.len()), 0, 0);
    while received < messages {
        if sent < messages && sent - received + BATCH.len() as u64 <= UNDER_WAY {
            sent += kernel.send_batch_blocking(&BATCH)?.count as u64;
        } else {
            received += kernel.receive_batch_blocking(&mut replies, SOON)? as u64;
        }
    }
    // The last batch may be more than was wanted.
    (received..sent).try_for_each(|_| kernel.receive_blocking(SOON).map(drop))
}

async fn batches_of_a_task(kernel: RingKernel, messages: u64) -> Result<(), RuntimeError> {
    let (mut replies, mut sent, mut received) = (Replies::new(BATCH.len()), 0, 0);
    while received < messages {
        if sent < messages && sent - received + BATCH.len() as u64 <= UNDER_WAY {
            sent += kernel.send_batch(&BATCH).await?.count as u64;
        } else {
            received += kernel.receive_batch(&mut replies, SOON).await? as u64;
        }
    }
    for _ in received..sent {
        kernel.receive(SOON).await?;
    }
    Ok(())
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|q| values[(values.len() - 1) * q / 4])
}

fn rate(messages: u64, work: impl FnOnce() -> Result<(), RuntimeError>) -> Result<f64, RuntimeError> {
    let start = Instant::now();
    work()?;
    Ok(messages as f64 / start.elapsed().as_secs_f64())
}

/// Processor time of this process so far, in clock ticks.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].iter().filter_map(|i| fields.get(*i)?.parse::<u64>().ok()).sum()
}

fn main() -> Result<(), RuntimeError> {
    let once = std::env::args().any(|arg| arg == "--test");
    let (pairs, messages) = if once { (1, 1000) } else { (31, 100_000) };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).slots(SLOTS).slot_bytes(64);
    let runtime = builder.build()?;
    runtime.launch_blocking("w", &LaunchOptions::new())?;
    runtime.activate_blocking("w")?;
    let kernel = runtime.kernel("w")?;
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("workers");
    let compare = |name: &str, pair: &dyn Fn() -> Result<[f64; 2], RuntimeError>| {
        pair()?;
        let rates = (0..pairs).map(|_| pair()).collect::<Result<Vec<_>, _>>()?;
        let [low, ratio, high] = quartiles(rates.iter().map(|[thread, future]| thread / future).collect());
        let [thread, future] = [0, 1].map(|i| quartiles(rates.iter().map(|r| r[i]).collect())[1] / 1e3);
        println!("{name}: threads {thread:.0} k/s, futures {future:.0} k/s, ratio {ratio:.2} ({low:.2} to {high:.2})");
        Ok::<_, RuntimeError>(())
    };
    compare("one sends and receives", &|| {
        let thread = rate(messages, || one_thread(&kernel, messages))?;
        Ok([
            thread,
            rate(messages, || tokio.block_on(tokio.spawn(one_task(kernel.clone(), messages))).unwrap_or(Ok(())))?,
        ])
    })?;
    compare("one sends, one receives", &|| {
        let thread = rate(messages, || two_threads(&kernel, messages))?;
        Ok([thread, rate(messages, || tokio.block_on(two_tasks(&kernel, messages)))?])
    })?;
    compare("one at a time", &|| {
        let messages = messages / 4;
        let task = || tokio.block_on(tokio.spawn(trips_of_a_task(kernel.clone(), messages))).unwrap_or(Ok(()));
        Ok([rate(messages, || trips_of_a_thread(&kernel, messages))?, rate(messages, task)?])
    })?;
    compare("batches of 64", &|| {
        let task = || tokio.block_on(tokio.spawn(batches_of_a_task(kernel.clone(), messages))).unwrap_or(Ok(()));
        Ok([rate(messages, || batches_of_a_thread(&kernel, messages))?, rate(messages, task)?])
    })?;
    let pause = if once { Duration::from_millis(1) } else { Duration::from_secs(5) };
    let idle = || {
        std::thread::sleep(pause / 5);
        let before = ticks();
        std::thread::sleep(pause);
        ticks() - before
    };
    let alone = idle();
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            tokio.spawn({
                let kernel = kernel.clone();
                async move { kernel.receive(SOON).await }
            })
        })
        .collect();
    println!("{pause:?} of an idle kernel: {alone} ticks of the processor, with ten receivers that wait: {}", idle());
    waiting.iter().for_each(|task| task.abort());
    runtime.terminate_blocking("w")
}
