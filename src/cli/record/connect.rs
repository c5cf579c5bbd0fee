//! What a server has to tell, as a recording.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringscope::feed::Feed;
use ringscope::publish::RecordingBuilder;
use ringscope::recording::Decoder;

use super::args::RecordArgs;
use super::end::end;
use super::error::RecordCommandError;
use crate::cli::error::CliError;
use crate::cli::term::signals;
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, plain, styled};
use crate::cli::top::source::address::Address;
use crate::cli::workload::input::shown;

/// How soon Ctrl-C is noticed.
const LOOK: Duration = Duration::from_millis(50);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Between one try and the next, once it was reached.
const AGAIN: Duration = Duration::from_secs(1);

/// Records until somebody wants the end. Whether everything that came was recorded.
pub fn record(args: &RecordArgs, address: &Address) -> Result<bool, CliError> {
    let stop = signals::stop_on_signals()?;
    let token = args.token_file.as_deref().map(|path| {
        let read = std::fs::read_to_string(path);
        read.map_err(|source| RecordCommandError::Token { path: shown(path), source })
    });
    let token = token.transpose()?;
    let until = args.run.duration.and_then(|time| Instant::now().checked_add(time));
    let wanted = || !stop.load(Ordering::Relaxed) && until.is_none_or(|until| Instant::now() < until);
    let feed = Feed::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| unreachable(address, error))?;
    let mut source = Source { address, token: token.as_deref().map(str::trim), decoder: Decoder::new(), feed: &feed };
    let mut response = runtime.block_on(source.connect())?;
    let recording =
        args.bounded(RecordingBuilder::of_feed(&feed, &args.output)).start().map_err(RecordCommandError::from)?;
    terminal::say(&[plain(&format!("recording {address} to {}; Ctrl-C ends", shown(&args.output)))]);
    while wanted() {
        let why = runtime.block_on(source.read(response, &wanted))?;
        if let Some(why) = why {
            terminal::say(&[styled(Style::Warn, &format!("warning: {address}: {why}; trying again"))]);
        }
        response = loop {
            if !wanted() {
                break None;
            }
            match runtime.block_on(source.connect()) {
                Ok(response) => break response,
                Err(_) => wait(stop, AGAIN),
            }
        };
    }
    let (told, trouble) = end(recording);
    trouble.iter().for_each(|trouble| terminal::say_error(trouble));
    terminal::say(&[plain(&told)]);
    Ok(trouble.is_none())
}

fn wait(stop: &AtomicBool, time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
    }
}

fn unreachable(address: &Address, reason: impl ToString) -> RecordCommandError {
    RecordCommandError::Unreachable { address: address.to_string(), reason: reason.to_string() }
}

struct Source<'a> {
    address: &'a Address,
    token: Option<&'a str>,
    decoder: Decoder,
    feed: &'a Feed,
}

impl Source<'_> {
    /// Asks for what is live.
    async fn connect(&mut self) -> Result<Option<reqwest::Response>, RecordCommandError> {
        self.decoder = Decoder::new();
        let failed = |error: reqwest::Error| unreachable(self.address, chain(&error));
        let client = reqwest::Client::builder().connect_timeout(CONNECT).build().map_err(failed)?;
        let request = client.get(self.address.live());
        let request = self.token.iter().fold(request, |request, token| request.bearer_auth(token));
        let response = request.send().await.map_err(failed)?;
        match response.status().as_u16() {
            200 => Ok(Some(response)),
            status => Err(RecordCommandError::Refused {
                address: self.address.to_string(),
                status,
                remedy: match status {
                    401 | 403 => "it asks for a token: --token-file",
                    404 => "it is not a ringscope that can be recorded: use one of the same version as this",
                    429 | 503 => "it has as many readers as it takes: try again later",
                    _ => "look at what the server says",
                },
            }),
        }
    }

    /// Hands on moments until the connection ends or nobody wants more; why it ended.
    async fn read(
        &mut self,
        response: Option<reqwest::Response>,
        wanted: &impl Fn() -> bool,
    ) -> Result<Option<String>, RecordCommandError> {
        let Some(mut response) = response else { return Ok(None) };
        while wanted() {
            // Dropping the future of a chunk loses nothing.
            let Ok(chunk) = tokio::time::timeout(LOOK, response.chunk()).await else { continue };
            match chunk {
                Ok(Some(chunk)) => self.decoder.push(&chunk),
                Ok(None) => return Ok(Some("the connection was closed".to_owned())),
                Err(error) => return Ok(Some(chain(&error))),
            }
            let source = |source| RecordCommandError::NoRecording { address: self.address.to_string(), source };
            while let Some(moment) = self.decoder.next().map_err(source)? {
                self.feed.push(moment);
            }
        }
        Ok(None)
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
