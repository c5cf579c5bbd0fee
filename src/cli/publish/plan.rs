//! What is published where: from flags, a configuration file and the environment, checked as a whole before anything starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ringscope::config::{nearest, unknown};
use ringscope::publish::{AnyDestination, Delivery, Environment, PublishError, SCHEMES, Scheme, Target, scheme};
use ringscope::trace::Source;

use crate::cli::publish::file::{self, Entry, Place, Problem, Value};
use crate::cli::publish::resource;
use crate::cli::publish::settings::{self, Known, Settings};

const FLAG: &str = "--publish";
/// Keys of a file outside of its tables.
const TOP: &[&str] = &["service", "interval", "resource", "publish"];

/// Everything that is to be published.
#[derive(Debug)]
pub struct Plan {
    /// The process, as destinations show it.
    pub source: Source,
    /// Where to.
    pub destinations: Vec<Planned>,
}

/// One destination.
#[derive(Debug)]
pub struct Planned {
    /// Its scheme and address.
    pub address: String,
    /// The destination.
    pub destination: AnyDestination,
    /// How it is sent to.
    pub delivery: Delivery,
    /// How often, if somebody said.
    pub interval: Option<Duration>,
    /// What its secrets are called, and where each comes from.
    pub secrets: Vec<(&'static str, String)>,
}

/// What was asked for is wrong: each thing on a line of its own.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.file.as_deref(), .problems).join("\n"))]
pub struct PlanError {
    file: Option<PathBuf>,
    problems: Vec<Problem>,
}

impl Planned {
    /// Whether what goes there goes to stdout.
    pub fn writes_to_stdout(&self) -> bool {
        self.address.starts_with("cloudwatch-emf:") || self.address.ends_with("/dev/stdout")
    }
}

impl PlanError {
    /// Makes one of a flag.
    pub fn of_flag(message: &str) -> PlanError {
        PlanError { file: None, problems: vec![Problem::new(None, format!("{FLAG}: {message}"))] }
    }

    /// Makes one of a file of another kind.
    pub fn of_file(file: &Path, problems: &[Problem]) -> PlanError {
        PlanError { file: Some(file.to_owned()), problems: problems.to_vec() }
    }

    /// Each thing that is wrong, with its place.
    pub fn lines(&self) -> Vec<String> {
        lines(self.file.as_deref(), &self.problems)
    }

    /// Whether only flags are wrong, and not the file.
    pub fn is_usage(&self) -> bool {
        self.problems.iter().all(|problem| problem.message.starts_with(FLAG))
    }
}

/// Returns a sentence for each problem, with its place in front.
pub fn lines(file: Option<&Path>, problems: &[Problem]) -> Vec<String> {
    let line = |problem: &Problem| match (file.filter(|_| !problem.message.starts_with(FLAG)), problem.place) {
        (Some(file), Some(Place { line, column })) => {
            format!("{}:{line}:{column}: {}", file.display(), problem.message)
        }
        (Some(file), None) => format!("{}: {}", file.display(), problem.message),
        (None, _) => problem.message.clone(),
    };
    problems.iter().map(line).collect()
}

/// A destination that somebody wants, as it was written.
#[derive(Debug)]
struct Wanted {
    target: Target,
    /// The address without its options, which may have secrets in them by mistake.
    address: String,
    place: Option<Place>,
    entries: Vec<Entry>,
}

/// Makes the plan of flags over a file over the environment.
///
/// # Errors
/// [`PlanError`] with everything that is wrong.
pub fn plan(
    urls: &[impl AsRef<str>],
    interval: Option<Duration>,
    file: Option<&Path>,
    environment: &Environment,
) -> Result<Plan, PlanError> {
    let mut problems = Vec::new();
    let mut read = file.map(|path| read_file(file::read(path, &mut problems), &mut problems)).unwrap_or_default();
    for url in urls {
        let mut of_flag = Vec::new();
        if let Some(wanted) = of_url(url.as_ref(), None, &mut of_flag) {
            read.add_flag(wanted);
        }
        problems.extend(of_flag.into_iter().map(|p| Problem::new(None, format!("{FLAG}: {}", p.message))));
    }
    let plan = read.plan(interval, environment, &mut problems);
    problems.sort();
    if problems.is_empty() { Ok(plan) } else { Err(PlanError { file: file.map(Path::to_owned), problems }) }
}

/// Checks a file alone.
pub fn check(path: &Path, environment: &Environment) -> (Plan, Vec<Problem>) {
    let mut problems = Vec::new();
    let read = read_file(file::read(path, &mut problems), &mut problems);
    if read.wanted.is_empty() && problems.is_empty() {
        let message = "it has no destination: add [[publish]] and url = \"otlp+http://localhost:4318\"";
        problems.push(Problem::new(None, message));
    }
    let plan = read.plan(None, environment, &mut problems);
    problems.sort();
    (plan, problems)
}

/// What a file has.
#[derive(Debug, Default)]
struct FileContents {
    service: Option<String>,
    interval: Option<Duration>,
    resource: Vec<Entry>,
    wanted: Vec<Wanted>,
}

fn read_file(entries: Vec<Entry>, problems: &mut Vec<Problem>) -> FileContents {
    let mut read = FileContents::default();
    for entry in entries {
        let set = match entry.key.as_str() {
            "service" => entry.text().map(|text| read.service = Some(text.to_owned())),
            "interval" => settings::interval(&entry).map(|interval| read.interval = Some(interval)),
            "resource" => match entry.value {
                Value::Table(table) => {
                    read.resource = table;
                    Ok(())
                }
                _ => Err(entry.must_be("a table, [resource]")),
            },
            "publish" => match entry.value {
                Value::List(list) => {
                    read.wanted.extend(list.into_iter().filter_map(|(place, value)| of_table(place, value, problems)));
                    Ok(())
                }
                _ => Err(entry.must_be("a list of tables: [[publish]] with two brackets")),
            },
            key => {
                problems.push(Problem::new(entry.key_place, unknown_at_the_top(key)));
                Ok(())
            }
        };
        if let Err(message) = set {
            problems.push(Problem::new(entry.place, format!("{}: {message}", entry.key)));
        }
    }
    read
}

/// Settings of a destination that stand before the first `[[publish]]` are a common mistake.
fn unknown_at_the_top(key: &str) -> String {
    let of_destination = settings::DELIVERY.contains(&key) || key == "url";
    match of_destination && nearest(key, TOP).is_none_or(|meant| meant != key) {
        true => format!("{key} is of a destination: put it below a line [[publish]]"),
        false => unknown(key, TOP),
    }
}

fn of_table(place: Place, value: Value, problems: &mut Vec<Problem>) -> Option<Wanted> {
    let Value::Table(mut entries) = value else {
        problems.push(Problem::new(Some(place), "publish: must be a table: [[publish]] with two brackets"));
        return None;
    };
    let Some(at) = entries.iter().position(|entry| entry.key == "url") else {
        let message = "this destination has no url: add one such as url = \"otlp+http://localhost:4318\"";
        problems.push(Problem::new(Some(place), message));
        return None;
    };
    let url = entries.remove(at);
    let Value::Text(text) = &url.value else {
        problems.push(Problem::new(url.place, format!("url: {}", url.must_be("a text"))));
        return None;
    };
    let mut wanted = of_url(text, url.place, problems)?;
    for entry in entries {
        if wanted.entries.iter().any(|known| known.key == entry.key) {
            let message = format!("{} stands in the url as well: leave it out there or here", entry.key);
            problems.push(Problem::new(entry.key_place, message));
        } else {
            wanted.entries.push(entry);
        }
    }
    Some(wanted)
}

/// Options of an address are entries like those of a file.
fn of_url(text: &str, place: Option<Place>, problems: &mut Vec<Problem>) -> Option<Wanted> {
    let mut target = match Target::parse(text) {
        Ok(target) => target,
        Err(error) => {
            problems.push(Problem::new(place, error.to_string()));
            return None;
        }
    };
    let entry = |(key, value)| Entry { key, key_place: place, place, value: Value::Text(value) };
    let entries = target.take_all().into_iter().map(entry).collect();
    let address = text.split('?').next().unwrap_or(text).to_owned();
    Some(Wanted { target, address, place, entries })
}

impl FileContents {
    /// A destination of a flag that the file has too gets the flag's options over those of the file.
    fn add_flag(&mut self, flag: Wanted) {
        match self.wanted.iter_mut().find(|wanted| wanted.target == flag.target) {
            Some(wanted) => {
                wanted.entries.retain(|entry| flag.entries.iter().all(|set| set.key != entry.key));
                wanted.entries.extend(flag.entries);
            }
            None => self.wanted.push(flag),
        }
    }

    fn plan(self, interval: Option<Duration>, environment: &Environment, problems: &mut Vec<Problem>) -> Plan {
        // A destination that looks for the service itself finds that of the file.
        let of_file = self.service.iter().map(|service| ("OTEL_SERVICE_NAME".to_owned(), service.clone())).collect();
        let environment = &environment.clone().with(of_file);
        let source = resource::source(&self.resource, environment, problems);
        repeated(&self.wanted, problems);
        let of_all = self.interval;
        let destinations = self.wanted.into_iter().filter_map(|wanted| {
            let mut found = Vec::new();
            let planned = wanted.plan(environment, &mut found);
            // Everything in a file has a place.
            let named = |p: Problem| match p.place {
                None => Problem::new(None, format!("{FLAG}: {}", p.message)),
                Some(_) => p,
            };
            problems.extend(found.into_iter().map(named));
            let mut planned = planned?;
            planned.interval = interval.or(planned.interval).or(of_all);
            Some(planned)
        });
        Plan { source, destinations: destinations.collect() }
    }
}

/// The same file, or the same spool, cannot serve two destinations; the same server with the same settings would count twice.
fn repeated(all: &[Wanted], problems: &mut Vec<Problem>) {
    for (i, wanted) in all.iter().enumerate() {
        let same = |other: &&Wanted| {
            other.target == wanted.target && (other.entries == wanted.entries || is_file(&wanted.target))
        };
        if all[..i].iter().find(same).is_some() {
            let message = format!("{} is there twice: leave one of them out", wanted.address);
            problems.push(Problem::new(wanted.place, message));
        }
    }
}

fn is_file(target: &Target) -> bool {
    ["json-file", "json-lines", "prometheus-file"].contains(&target.scheme.as_str())
}

impl Wanted {
    fn plan(self, environment: &Environment, problems: &mut Vec<Problem>) -> Option<Planned> {
        let before = problems.len();
        let Some(scheme) = scheme(&self.target.scheme) else {
            problems.push(Problem::new(self.place, unknown_scheme(&self.target.scheme)));
            settings::read(&Known::of(SCHEMES), &self.entries, self.place, environment, problems);
            return None;
        };
        let settings = settings::read(&Known::of([scheme]), &self.entries, self.place, environment, problems);
        let variables = environment.clone().with(settings.variables.0.clone());
        let destination = make(&self.target, &settings, &variables, self.place, problems);
        if let (true, Some(folder)) = (is_file(&self.target), missing_folder(&self.target.address)) {
            problems.push(Problem::new(
                self.place,
                format!("url: there is no folder {folder}: make it, or write elsewhere"),
            ));
        }
        let secrets = secrets(scheme, &self.entries, environment);
        let destination = destination.filter(|_| problems.len() == before)?;
        let Settings { delivery, interval, .. } = settings;
        Some(Planned { address: self.address, destination, delivery, interval, secrets })
    }
}

fn unknown_scheme(name: &str) -> String {
    let known: Vec<&str> = SCHEMES.iter().map(|scheme| scheme.name).collect();
    match nearest(name, &known) {
        Some(meant) => format!("url: no destination begins with {name}: is {meant} meant?"),
        None => format!("url: no destination begins with {name}: there are {}", known.join(", ")),
    }
}

fn missing_folder(path: &str) -> Option<String> {
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (!folder.is_dir()).then(|| folder.display().to_string())
}

/// Makes the destination. An error that names an option stands at that option, and the rest is tried without it, so that
/// every wrong option is found.
fn make(
    target: &Target,
    settings: &Settings,
    environment: &Environment,
    place: Option<Place>,
    problems: &mut Vec<Problem>,
) -> Option<AnyDestination> {
    let mut options = settings.options.clone();
    let mut is_whole = true;
    loop {
        let with = options.iter().fold(target.clone(), |target, (name, value, _)| target.option(name, value));
        let error = match AnyDestination::from_target(with, environment) {
            Ok(destination) => return Some(destination).filter(|_| is_whole),
            Err(error) => error,
        };
        let names =
            |text: &str, name: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
        let is_of = |(name, value, _): &(String, String, Option<Place>)| match &error {
            PublishError::BadSetting { setting, .. } => names(setting, name),
            PublishError::File { path, .. } => path == value,
            _ => false,
        };
        match options.iter().position(is_of) {
            Some(at) => {
                let (_, _, place) = options.remove(at);
                problems.push(Problem::new(place, error.to_string()));
            }
            // What is missing now may be what was taken out.
            None if is_whole => {
                problems.push(Problem::new(place, error.to_string()));
                return None;
            }
            None => return None,
        }
        is_whole = false;
    }
}

/// Where each secret comes from; never what it is.
fn secrets(scheme: &'static Scheme, entries: &[Entry], environment: &Environment) -> Vec<(&'static str, String)> {
    let from = |(name, variable): &(&'static str, &'static str)| {
        let entry = |end: &str| entries.iter().find(|entry| entry.key == format!("{name}_{end}"));
        let text = |entry: &Entry| entry.value.scalar().unwrap_or_default().to_owned();
        let in_file = format!("{variable}_FILE");
        let from = match (entry("file"), entry("env")) {
            (Some(file), _) => format!("the file {}", text(file)),
            (_, Some(variable)) => format!("the environment variable {}", text(variable)),
            _ if environment.get(variable).is_some() => format!("the environment variable {variable}"),
            _ => format!("the file {}, by the environment variable {in_file}", environment.get(&in_file)?),
        };
        Some((*name, from))
    };
    scheme.secrets.iter().filter_map(from).collect()
}
