//! What can be set of one destination beside its address: options, how it is sent to, secrets.

use std::time::Duration;

use ringscope::config::{parse_bytes, parse_duration, unknown};
use ringscope::publish::{Delivery, Environment, Scheme, Spool, SyncPolicy, secret_file};

use crate::cli::publish::file::{Entry, Place, Problem, Value};
use crate::cli::publish::headers::headers;

/// Settings of the way to any destination; the same names in files and in addresses.
pub const DELIVERY: &[&str] = &[
    "interval",
    "queue_bytes",
    "queue_age",
    "timeout",
    "retry_min",
    "retry_max",
    "circuit_failures",
    "circuit_pause",
    "flush_limit",
    "spool",
];
/// Keys of `spool`.
pub const SPOOL: &[&str] = &["path", "limit", "sync"];
/// Most bytes in a spool where nothing is said.
const DEFAULT_SPOOL_BYTES: u64 = 256 << 20;

/// What is set.
#[derive(Debug, Default)]
pub struct Settings {
    /// How it is sent to.
    pub delivery: Delivery,
    /// How often.
    pub interval: Option<Duration>,
    /// Options of the destination, with their places.
    pub options: Vec<(String, String, Option<Place>)>,
    /// Variables that the destination finds before those of the process. `Debug` would show secrets, and is not derived.
    pub variables: Variables,
}

/// Environment variables of one destination.
#[derive(Clone, Default)]
pub struct Variables(pub Vec<(String, String)>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What may be set of a destination beside the way to it.
#[derive(Debug)]
pub struct Known {
    options: Vec<&'static str>,
    variables: Vec<(&'static str, &'static str)>,
    secrets: Vec<(&'static str, &'static str)>,
}

impl Known {
    /// Of these: all of them, where it is not known which one is meant.
    pub fn of<'a>(schemes: impl IntoIterator<Item = &'a Scheme>) -> Known {
        let mut known = Known { options: Vec::new(), variables: Vec::new(), secrets: Vec::new() };
        for scheme in schemes {
            known.options.extend(scheme.options);
            known.variables.extend(scheme.variables.iter().filter(|(name, _)| !name.is_empty()));
            known.secrets.extend(scheme.secrets);
        }
        known
    }

    /// Returns all keys.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.options.iter().chain(DELIVERY).map(|key| (*key).to_owned()).collect();
        keys.extend(self.variables.iter().map(|(name, _)| (*name).to_owned()));
        keys.extend(self.secrets.iter().filter(|(name, _)| *name == "headers").map(|(name, _)| (*name).to_owned()));
        keys.extend(self.secrets.iter().flat_map(|(name, _)| [format!("{name}_file"), format!("{name}_env")]));
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// Reads them, and adds what is wrong with them to `problems`; `place` is that of the destination.
pub fn read(
    known: &Known,
    entries: &[Entry],
    place: Option<Place>,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Settings {
    let mut settings = Settings::default();
    for entry in entries {
        let key = entry.key.as_str();
        match settings.set(known, entry, environment, problems) {
            None => problems.push(Problem::new(entry.key_place, unknown(key, &known.keys()))),
            Some(Err(message)) => problems.push(Problem::new(entry.place, format!("{key}: {message}"))),
            Some(Ok(())) => {}
        }
    }
    if let Err(error) = settings.delivery.check() {
        let said = error.to_string();
        // One that is named is to blame, unless it was not set.
        let entry = entries.iter().filter(|entry| said.contains(&entry.key)).min_by_key(|entry| said.find(&entry.key));
        problems.push(Problem::new(entry.map_or(place, |entry| entry.place), said));
    }
    settings
}

impl Settings {
    /// Takes one key; `None`, if there is no such key.
    fn set(
        &mut self,
        known: &Known,
        entry: &Entry,
        environment: &Environment,
        problems: &mut Vec<Problem>,
    ) -> Option<Result<(), String>> {
        let key = entry.key.as_str();
        let is_option = known.options.contains(&key);
        if DELIVERY.contains(&key) {
            let set = self.set_delivery(entry, problems);
            // A destination that has a time limit of its own has the same one.
            if is_option && set.is_ok() {
                let limit = format!("{}ms", self.delivery.timeout.as_secs_f64() * 1000.0);
                self.options.push((entry.key.clone(), limit, entry.place));
            }
            return Some(set);
        }
        if is_option {
            return Some(self.set_option(entry));
        }
        if let Some((_, variable)) = known.variables.iter().find(|(name, _)| *name == key) {
            return Some(entry.text().map(|value| self.variables.0.push(((*variable).to_owned(), value.to_owned()))));
        }
        self.set_headers(known, entry, environment).or_else(|| self.set_secret(known, entry, environment))
    }

    fn set_headers(&mut self, known: &Known, entry: &Entry, environment: &Environment) -> Option<Result<(), String>> {
        let Value::Table(table) = &entry.value else { return None };
        let (_, variable) = known.secrets.iter().find(|(name, _)| entry.key == "headers" && *name == "headers")?;
        let headers = headers(table, environment);
        Some(headers.map(|headers| self.variables.0.push(((*variable).to_owned(), headers))))
    }

    fn set_delivery(&mut self, entry: &Entry, problems: &mut Vec<Problem>) -> Result<(), String> {
        let delivery = &mut self.delivery;
        match entry.key.as_str() {
            "interval" => self.interval = Some(interval(entry)?),
            "queue_bytes" => delivery.queue_bytes = usize::try_from(bytes(entry)?).unwrap_or(usize::MAX),
            "queue_age" => delivery.queue_age = time(entry)?,
            "timeout" => delivery.timeout = time(entry)?,
            "retry_min" => delivery.retry_min = time(entry)?,
            "retry_max" => delivery.retry_max = time(entry)?,
            "circuit_failures" => delivery.circuit_failures = failures(entry)?,
            "circuit_pause" => delivery.circuit_pause = time(entry)?,
            "flush_limit" => delivery.flush_limit = time(entry)?,
            _ => delivery.spool = Some(spool(entry, problems)?),
        }
        Ok(())
    }

    fn set_option(&mut self, entry: &Entry) -> Result<(), String> {
        let value = entry.value.scalar().ok_or_else(|| entry.must_be("a text or a number"))?;
        // A destination takes bytes as a number.
        let value = if entry.key.ends_with("_bytes") { parse_bytes(value)?.to_string() } else { value.to_owned() };
        self.options.push((entry.key.clone(), value, entry.place));
        Ok(())
    }

    /// `NAME_file` and `NAME_env` of a secret that the destination has; `None` for any other key.
    fn set_secret(&mut self, known: &Known, entry: &Entry, environment: &Environment) -> Option<Result<(), String>> {
        let (name, from) = entry.key.rsplit_once('_').unwrap_or((&entry.key, ""));
        let secret = |name: &str| known.secrets.iter().find(|(secret, _)| *secret == name);
        if secret(&entry.key).is_some() {
            let name = &entry.key;
            return Some(Err(format!(
                "a secret does not stand here, where others read it: put it into a file, {name}_file = \"PATH\", or into an \
                 environment variable, {name}_env = \"NAME\""
            )));
        }
        let (_, variable) = secret(name)?;
        let set = match from {
            "file" => entry.text().and_then(|path| {
                secret_file(path).map_err(|error| error.to_string())?;
                Ok((format!("{variable}_FILE"), path.to_owned()))
            }),
            "env" => entry.text().and_then(|named| {
                let value =
                    environment.get(named).ok_or("there is no environment variable of that name, or it is empty")?;
                Ok(((*variable).to_owned(), value))
            }),
            _ => return None,
        };
        Some(set.map(|variable| self.variables.0.push(variable)))
    }
}

fn spool(entry: &Entry, problems: &mut Vec<Problem>) -> Result<Spool, String> {
    let (mut path, mut limit, mut sync) = (None, DEFAULT_SPOOL_BYTES, SyncPolicy::default());
    match &entry.value {
        Value::Text(text) => path = Some(text.as_str()),
        Value::Table(table) => {
            for entry in table {
                let read = match entry.key.as_str() {
                    "path" => entry.text().map(|text| path = Some(text)),
                    "limit" => bytes(entry).map(|bytes| limit = bytes),
                    "sync" => sync_policy(entry).map(|policy| sync = policy),
                    key => {
                        problems.push(Problem::new(entry.key_place, unknown(key, SPOOL)));
                        Ok(())
                    }
                };
                if let Err(message) = read {
                    problems.push(Problem::new(entry.place, format!("spool.{}: {message}", entry.key)));
                }
            }
        }
        _ => return Err(entry.must_be("a path, or { path = …, limit = …, sync = … }")),
    }
    let path =
        path.filter(|path| !path.is_empty()).ok_or("it needs a path: a folder of its own for each destination")?;
    let spool = Delivery::default().spool(path, limit).spool;
    spool
        .map(|mut spool| {
            spool.sync = sync;
            spool
        })
        .ok_or_else(|| "it cannot be set".to_owned())
}

fn sync_policy(entry: &Entry) -> Result<SyncPolicy, String> {
    match entry.text()? {
        "each-publication" => Ok(SyncPolicy::EachPublication),
        "at-the-end" => Ok(SyncPolicy::AtTheEnd),
        _ => Err("it must be each-publication or at-the-end".to_owned()),
    }
}

/// Reads the time between two publications.
pub fn interval(entry: &Entry) -> Result<Duration, String> {
    parse_interval(entry.text()?)
}

/// Reads the time between two publications.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    let allowed = Duration::from_millis(100)..=Duration::from_secs(24 * 3600);
    parse_duration(text, allowed, "must be from 100ms to 24h")
}

fn time(entry: &Entry) -> Result<Duration, String> {
    let allowed = Duration::from_millis(1)..=Duration::from_secs(30 * 24 * 3600);
    parse_duration(entry.text()?, allowed, "must be from 1ms to 720h (30 days)")
}

fn bytes(entry: &Entry) -> Result<u64, String> {
    parse_bytes(entry.value.scalar().ok_or_else(|| entry.must_be("a size such as \"16MiB\""))?)
}

fn failures(entry: &Entry) -> Result<u32, String> {
    let failures = entry.value.scalar().and_then(|text| text.parse().ok()).filter(|failures| *failures > 0);
    failures.ok_or_else(|| "must be a whole number, 1 or more".to_owned())
}
