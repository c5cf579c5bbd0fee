//! Who is told, as a file of rules has it in its tables `[[notify]]`.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::notifier::Notifier;
use crate::alert::from_toml::{Read, duration, matchers, read, severity, text, texts, whole};
use crate::alert::{Rules, RulesError};
use crate::config::{Entry, Problem, Value, nearest, parse_bytes};
use crate::publish::delivery::Delivery;
use crate::publish::environment::{Environment, secret_file};
use crate::publish::http::{Auth, HttpOptions};

/// Keys of everybody.
const ALL: &[&str] = &["kind", "name", "match", "severity"];
/// Keys of the queue and of retries.
const DELIVERY: &[&str] = &[
    "queue_bytes",
    "queue_age",
    "timeout",
    "retry_min",
    "retry_max",
    "circuit_failures",
    "circuit_pause",
    "flush_limit",
];
/// Keys of those over HTTP.
const HTTP: &[&str] = &[
    "url",
    "headers",
    "bearer_token_file",
    "bearer_token_env",
    "username",
    "password_file",
    "password_env",
    "ca_file",
];
const KINDS: &[&str] = &["log", "command", "webhook", "alertmanager"];
/// Keys under which somebody would write a secret.
const SECRETS: &[&str] = &["bearer_token", "token", "password", "api_key"];
/// Headers whose values are secrets.
const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "api-key", "x-api-key", "cookie"];

/// Rules, silences, and who is told, from TOML; `docs/alerts.md` has all keys.
///
/// ```
/// use ringscope::publish::{AlertingFile, Environment};
///
/// let file = AlertingFile::from_toml(
///     r#"
///     ready_made = true
///
///     [[notify]]
///     kind = "webhook"
///     url = "http://localhost:8080/alert"
///     bearer_token_env = "PAGER_TOKEN"
///     severity = "critical"
///     "#,
///     &Environment::of([("PAGER_TOKEN", "s3cret")]),
/// )?;
/// assert_eq!(file.notifiers.len(), 1);
/// # Ok::<(), ringscope::alert::RulesError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct AlertingFile {
    /// Rules and silences.
    pub rules: Rules,
    /// Who is told, without those that are lines in a log.
    pub notifiers: Vec<Notifier>,
    /// Those that want lines in a log: what they are called, and nothing to send with. The program says where its log is.
    pub logs: Vec<LogWanted>,
    /// Labels of every alert that leaves the process.
    pub labels: Vec<(String, String)>,
}

/// A log that a file asks for.
#[derive(Debug)]
pub struct LogWanted(Settings);

/// What is set of everybody.
#[derive(Debug, Default)]
struct Settings {
    name: Option<String>,
    matchers: Vec<crate::alert::Matcher>,
    severity: Option<crate::alert::Severity>,
    delivery: Delivery,
}

impl LogWanted {
    /// Makes the notifier that writes it.
    pub fn with(self, notifier: Notifier) -> Notifier {
        self.0.of(notifier)
    }
}

impl AlertingFile {
    /// Reads a file's text; secrets come from the environment, or from files that it names.
    ///
    /// # Errors
    /// [`RulesError`] with everything that is wrong.
    pub fn from_toml(text: &str, environment: &Environment) -> Result<AlertingFile, RulesError> {
        let mut problems = Vec::new();
        let contents = read(text, &mut problems);
        let owned = |(name, value): &(std::sync::Arc<str>, std::sync::Arc<str>)| (name.to_string(), value.to_string());
        let labels = contents.labels.iter().map(owned).collect();
        let mut file = AlertingFile { rules: contents.rules, notifiers: Vec::new(), logs: Vec::new(), labels };
        for table in &contents.notify {
            match notifier(table, environment, &mut problems) {
                Some(Told::Notifier(notifier)) => file.notifiers.push(*notifier),
                Some(Told::Log(settings)) => file.logs.push(LogWanted(settings)),
                None => {}
            }
        }
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(file) } else { Err(RulesError::new(problems)) }
    }

    /// Reads the file, as [`from_toml`](Self::from_toml) does its text.
    ///
    /// # Errors
    /// [`RulesError`] with everything that is wrong, or why it cannot be read.
    pub fn read(path: impl AsRef<Path>, environment: &Environment) -> Result<AlertingFile, RulesError> {
        let path = path.as_ref();
        let unreadable = |error| RulesError::new(vec![Problem::new(None, format!("cannot be read: {error}"))]);
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error).of_file(path))?;
        AlertingFile::from_toml(&text, environment).map_err(|error| error.of_file(path))
    }
}

enum Told {
    Notifier(Box<Notifier>),
    Log(Settings),
}

/// Reads one `[[notify]]`; `None`, where something is wrong with it.
fn notifier(table: &Read, environment: &Environment, problems: &mut Vec<Problem>) -> Option<Told> {
    let before = problems.len();
    if table.get("kind").is_none() {
        let message = format!("it has no kind: add one such as kind = \"webhook\"; there are {}", KINDS.join(", "));
        problems.push(Problem::new(table.place, message));
        return None;
    }
    let kind = table.take("kind", problems, kind)?;
    let own: &[&str] = match kind {
        "command" => &["command", "limit"],
        "alertmanager" => &["resend"],
        _ => &[],
    };
    let http = if ["webhook", "alertmanager"].contains(&kind) { HTTP } else { &[] };
    secrets_in_the_file(table, problems);
    let known: Vec<&str> = [ALL, DELIVERY, own, http, SECRETS].concat();
    table.check_keys(&known, problems);
    let settings = Settings::read(table, problems);
    let made = match kind {
        "log" => None,
        "command" => command(table, problems),
        _ => over_http(kind, table, environment, problems),
    };
    match (kind, problems.len() == before) {
        (_, false) => None,
        ("log", true) => Some(Told::Log(settings)),
        (_, true) => made.map(|notifier| Told::Notifier(Box::new(settings.of(notifier)))),
    }
}

fn kind(entry: &Entry) -> Result<&str, String> {
    let name = text(entry)?;
    match (KINDS.contains(&name), nearest(name, KINDS)) {
        (true, _) => Ok(name),
        (false, Some(meant)) => Err(format!("there is no kind {name}: is {meant} meant?")),
        (false, None) => Err(format!("there is no kind {name}: there are {}", KINDS.join(", "))),
    }
}

/// Says of secrets where they belong, without quoting them.
fn secrets_in_the_file(table: &Read, problems: &mut Vec<Problem>) {
    for entry in SECRETS.iter().filter_map(|key| table.get(key)) {
        let name = if entry.key == "password" { "password" } else { "bearer_token" };
        let message = format!(
            "{}: a secret does not stand here, where others read it: put it into a file, {name}_file = \"PATH\", or into an \
             environment variable, {name}_env = \"NAME\"",
            entry.key
        );
        problems.push(Problem::new(entry.key_place, message));
    }
}

impl Settings {
    fn read(table: &Read, problems: &mut Vec<Problem>) -> Settings {
        let mut delivery = Delivery::default();
        let mut time = |key, set: &mut std::time::Duration| {
            if let Some(time) = table.take(key, problems, duration) {
                *set = time;
            }
        };
        time("queue_age", &mut delivery.queue_age);
        time("timeout", &mut delivery.timeout);
        time("retry_min", &mut delivery.retry_min);
        time("retry_max", &mut delivery.retry_max);
        time("circuit_pause", &mut delivery.circuit_pause);
        time("flush_limit", &mut delivery.flush_limit);
        if let Some(bytes) = table.take("queue_bytes", problems, bytes) {
            delivery.queue_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        if let Some(failures) = table.take("circuit_failures", problems, |entry| whole(entry, 1, u32::MAX.into())) {
            delivery.circuit_failures = failures as u32;
        }
        if let Err(error) = delivery.check() {
            let said = error.to_string();
            let named = table.entries.iter().find(|entry| said.contains(&entry.key));
            problems.push(Problem::new(named.map_or(table.place, |entry| entry.place), said));
        }
        Settings {
            name: table.take("name", problems, name),
            matchers: table.take("match", problems, matchers).unwrap_or_default(),
            severity: table.take("severity", problems, severity),
            delivery,
        }
    }

    fn of(self, notifier: Notifier) -> Notifier {
        let notifier = self.matchers.into_iter().fold(notifier.delivery(self.delivery), Notifier::matching);
        let notifier = self.severity.into_iter().fold(notifier, Notifier::at_least);
        self.name.into_iter().fold(notifier, Notifier::named)
    }
}

fn name(entry: &Entry) -> Result<String, String> {
    match text(entry)?.trim() {
        "" => Err("must not be empty".to_owned()),
        name => Ok(name.to_owned()),
    }
}

fn bytes(entry: &Entry) -> Result<u64, String> {
    parse_bytes(entry.value.scalar().ok_or_else(|| entry.must_be("a size such as \"16MiB\""))?)
}

fn command(table: &Read, problems: &mut Vec<Problem>) -> Option<Notifier> {
    if table.get("command").is_none() {
        let message = "it has no command: add one such as command = [\"notify-send\", \"ringscope\"]";
        problems.push(Problem::new(table.place, message));
    }
    let notifier = table.take("command", problems, |entry| {
        let argv = texts(entry).map_err(|error| format!("{error}; the program and its arguments, without a shell"))?;
        Notifier::command(argv.iter().map(|word| word.to_string())).map_err(|error| error.to_string())
    })?;
    let limit = table.take("limit", problems, positive);
    Some(limit.into_iter().fold(notifier, Notifier::limit))
}

fn positive(entry: &Entry) -> Result<std::time::Duration, String> {
    duration(entry).and_then(|time| if time.is_zero() { Err("must be longer than 0".to_owned()) } else { Ok(time) })
}

fn over_http(kind: &str, table: &Read, environment: &Environment, problems: &mut Vec<Problem>) -> Option<Notifier> {
    if table.get("url").is_none() {
        problems.push(Problem::new(table.place, "it has no url: add one such as url = \"http://localhost:9093\""));
    }
    let options = HttpOptions {
        headers: table.take("headers", problems, |entry| headers(entry, environment)).unwrap_or_default(),
        auth: auth(table, environment, problems),
        ca_pem: table.take("ca_file", problems, |entry| {
            let path = text(entry)?;
            std::fs::read(path).map_err(|error| format!("{path}: {error}"))
        }),
        timeout: None,
    };
    let notifier = table.take("url", problems, |entry| {
        let url = text(entry)?;
        let made =
            if kind == "webhook" { Notifier::webhook(url, options) } else { Notifier::alertmanager(url, options) };
        made.map_err(|error| error.to_string())
    })?;
    let resend = table.take("resend", problems, positive);
    Some(resend.into_iter().fold(notifier, Notifier::resend))
}

fn auth(table: &Read, environment: &Environment, problems: &mut Vec<Problem>) -> Auth {
    if let Some(token) = secret(table, "bearer_token", environment, problems) {
        return Auth::Bearer(token);
    }
    let user = table.take("username", problems, |entry| text(entry).map(str::to_owned));
    match (user, secret(table, "password", environment, problems)) {
        (Some(user), password) => Auth::Basic { user, password: password.unwrap_or_else(|| "".into()) },
        (None, Some(_)) => {
            problems.push(Problem::new(table.place, "username: there is a password and no user: add username = \"…\""));
            Auth::None
        }
        (None, None) => Auth::None,
    }
}

/// `NAME_file` or `NAME_env`.
fn secret(table: &Read, name: &str, environment: &Environment, problems: &mut Vec<Problem>) -> Option<SecretString> {
    let of_file = table
        .take(&format!("{name}_file"), problems, |entry| secret_file(text(entry)?).map_err(|error| error.to_string()));
    let of_variable = table.take(&format!("{name}_env"), problems, |entry| from_environment(text(entry)?, environment));
    of_file.or(of_variable)
}

fn from_environment(name: &str, environment: &Environment) -> Result<SecretString, String> {
    let value = environment.get(name);
    value.map(Into::into).ok_or_else(|| "there is no environment variable of that name, or it is empty".to_owned())
}

/// `headers = { x-scope = "a", authorization = { file = "PATH" } }`.
fn headers(entry: &Entry, environment: &Environment) -> Result<Vec<(String, SecretString)>, String> {
    let Value::Table(table) = &entry.value else { return Err(entry.must_be("a table such as { x-scope = \"a\" }")) };
    let header = |entry: &Entry| {
        let value = header(entry, environment).map_err(|message| format!("{}: {message}", entry.key))?;
        Ok((entry.key.clone(), value))
    };
    table.iter().map(header).collect()
}

fn header(entry: &Entry, environment: &Environment) -> Result<SecretString, String> {
    let where_from = "{ file = \"PATH\" } or { env = \"NAME\" }";
    let value: SecretString = match &entry.value {
        Value::Table(from) => match &from[..] {
            [file] if file.key == "file" => secret_file(text(file)?).map_err(|error| error.to_string())?,
            [variable] if variable.key == "env" => from_environment(text(variable)?, environment)?,
            _ => return Err(format!("must be a text, {where_from}")),
        },
        _ if SECRET_HEADERS.contains(&&*entry.key.to_lowercase()) => {
            return Err(format!("a secret does not stand here, where others read it: say where it is, {where_from}"));
        }
        _ => text(entry)?.into(),
    };
    match value.expose_secret().contains(|c: char| c.is_control()) {
        true => Err("has characters that no header may have".to_owned()),
        false => Ok(value),
    }
}
