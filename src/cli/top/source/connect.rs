//! A server's moments, as they come; when it is gone, it is tried again, with growing pauses.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::{Client, Response, StatusCode};
use ringscope::recording::Decoder;

use crate::cli::top::source::address::Address;
use crate::cli::top::source::events::{Event, Events};
use crate::cli::top::state::link::Link;

/// The pauses between two attempts: the first, and the longest; each is twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long a server has for the connection, and for the begin of its answer.
const ANSWER: Duration = Duration::from_secs(10);
/// A server that says nothing for so long is gone, whatever its connection says. Moments come every second, mostly.
const SILENCE: Duration = Duration::from_secs(120);

/// A server that is looked at.
pub struct Connection {
    address: Address,
    token: Option<String>,
}

impl Connection {
    /// Makes one that is not connected yet.
    pub fn new(address: Address, token: Option<String>) -> Connection {
        Connection { address, token }
    }

    /// Connects again and again, until nobody looks any more.
    pub async fn keep(&self, events: &Events) {
        let mut pause = PAUSES.0;
        loop {
            let mut heard = false;
            let Err(why) = self.look(events, &mut heard).await else { return };
            if heard {
                pause = PAUSES.0;
            }
            let again = SystemTime::now() + pause;
            if events.send(Event::Link(Link::Down { why, again })).is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Looks until the connection ends, and says why it did; `Ok` where nobody looks any more.
    async fn look(&self, events: &Events, heard: &mut bool) -> Result<(), String> {
        let mut response = self.connect().await?;
        let mut decoder = Decoder::new();
        loop {
            let bytes = tokio::time::timeout(SILENCE, response.chunk()).await;
            let bytes = bytes.map_err(|_| format!("{} has said nothing for {SILENCE:?}", self.address))?;
            let bytes = bytes.map_err(|error| format!("the connection broke: {}", cause(&error)))?;
            let bytes = bytes.ok_or_else(|| format!("{} has ended the connection", self.address))?;
            decoder.push(&bytes);
            let unreadable = |error| format!("what {} sends cannot be read: {error}", self.address);
            while let Some(moment) = decoder.next().map_err(unreadable)? {
                *heard = true;
                if events.send(Event::Moment(Arc::new(moment))).is_err() {
                    return Ok(());
                }
            }
        }
    }

    async fn connect(&self) -> Result<Response, String> {
        // An answer from elsewhere is not that of the server that was asked for, and a token is for that one alone.
        let client = Client::builder().connect_timeout(ANSWER).redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| format!("no client for HTTP: {}", cause(&error)))?;
        let mut request = client.get(self.address.live());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = tokio::time::timeout(ANSWER, request.send()).await;
        let answer = answer.map_err(|_| format!("{} does not answer within {ANSWER:?}", self.address))?;
        let response = answer.map_err(|error| format!("{} cannot be reached: {}", self.address, cause(&error)))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.token.is_none() => {
                Err(format!("{} asks for a token: put it into a file, and say --token-file FILE", self.address))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(format!("{} does not take this token", self.address))
            }
            StatusCode::NOT_FOUND => Err(format!(
                "{} has no /live.rscope: it is an older ringscope, or something else; `ringscope serve` and \
                 `telemetry.serve(…)` have it",
                self.address
            )),
            status => Err(format!("{} answers {status}", self.address)),
        }
    }
}

/// The innermost cause says what is wrong; those around it, only that something is.
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
