//! Files that are replaced with each publication.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::place::{DEFAULT_MODE, blocking, checked, checked_mode, failed, take_mode, wrong};
use super::replace::replace;
use crate::export::{catalog, json_document};
use crate::publish::environment::Environment;
use crate::publish::error::PublishError;
use crate::publish::publication::Publication;
use crate::publish::publisher::{Destination, Payload, Published};
use crate::publish::target::Target;

/// Writes a page for Prometheus into a file, anew with each publication: for the textfile collector of its node exporter, or
/// for any program that reads such pages.
///
/// The page is the classic text, without times: Prometheus takes the time of its scrape, and how old the page is says
/// `ringscope_snapshot_timestamp_seconds` (and the exporter's `node_textfile_mtime_seconds`). Histograms have the classic
/// buckets there, of which it has a few; the exporter reads no format with native ones.
///
/// The file is written beside its place under a name that begins with a dot, brought to the disk and then renamed: a reader
/// sees a whole page, the old or the new one, at any time, even if the process is killed. What a killed process left over is
/// deleted by the next that writes the same file. The file stays after the end of the program, with its last page.
///
/// The exporter shows all files of its folder as one page. Where several processes on a machine write such files, their series
/// have the same names, and it would show those of one of them: give each a [label](Self::label).
///
/// ```
/// use ringscope::publish::{Environment, PrometheusFile, Target};
///
/// let file = PrometheusFile::new("/var/lib/prometheus/node-exporter/trainer.prom")?.label("process", "trainer")?;
/// # let same =
/// PrometheusFile::from_target(
///     Target::parse("prometheus-file:/var/lib/prometheus/node-exporter/trainer.prom?labels=process=trainer")?,
///     &Environment::of_this_process(),
/// )?;
/// # assert_eq!(format!("{file:?}"), format!("{same:?}"));
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PrometheusFile {
    file: Replaced,
    labels: Vec<(String, String)>,
}

impl PrometheusFile {
    /// Takes the path of the file, whose folder exists when it is written.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for a name that does not end with `.prom`, which the collector does not read.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, PublishError> {
        let file = Replaced::new(path.into())?;
        if file.path.extension().is_none_or(|extension| extension != "prom") {
            return Err(wrong("the path", "its name must end with .prom: the textfile collector reads no other files"));
        }
        Ok(PrometheusFile { file, labels: Vec::new() })
    }

    /// Adds a label to every sample that has none of this name itself.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for a name that is no label's, is there already, or is that of one of ringscope's own.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Result<Self, PublishError> {
        let (name, value) = (name.into(), value.into());
        check_label(&name)?;
        if self.labels.iter().any(|(known, _)| *known == name) {
            return Err(wrong(&format!("the label {name}"), "it is there twice"));
        }
        self.labels.push((name, value));
        Ok(self)
    }

    /// Sets the permissions of the file. Default: `0o644`, so that another user's exporter can read it.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for permissions with which its owner could not write it, or with more bits than those.
    pub fn mode(mut self, mode: u32) -> Result<Self, PublishError> {
        self.file.mode = checked_mode(mode)?;
        Ok(self)
    }

    /// Makes one of `prometheus-file:PATH`, with the options `mode` (octal digits) and `labels` (`name=value,name=value`).
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for what makes no sense.
    pub fn from_target(mut target: Target, _: &Environment) -> Result<Self, PublishError> {
        let mut file = PrometheusFile::new(&target.address)?.mode(take_mode(&mut target)?)?;
        let labels = target.take("labels").unwrap_or_default();
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once('=').unwrap_or((label, ""));
            file = file.label(name, value)?;
        }
        target.finish(&["mode", "labels"])?;
        Ok(file)
    }
}

fn check_label(name: &str) -> Result<(), PublishError> {
    let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let remedy = if name.is_empty() || !is_word || name.as_bytes()[0].is_ascii_digit() {
        "its name consists of letters, digits and _, a letter first"
    } else if name.starts_with("__") {
        "names that begin with __ are Prometheus's own: choose another"
    } else if ["le", "quantile"].contains(&name) || catalog().any(|family| family.labels.contains(&name)) {
        "samples of ringscope's have a label of this name: choose another"
    } else {
        return Ok(());
    };
    Err(wrong(&format!("the label {name}"), remedy))
}

impl Destination for PrometheusFile {
    fn name(&self) -> &str {
        "prometheus-file"
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let page = publication.snapshot.export_prometheus_labelled(&self.labels);
        let samples = page.lines().filter(|line| !line.starts_with('#')).count() as u64;
        Ok(vec![Payload::new(0, samples, publication.snapshot.time, page.into_bytes())])
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        self.file.write(payload).await
    }
}

/// Writes every metric by its name as a JSON document into a file, anew with each publication, replaced as a whole like that of
/// [`PrometheusFile`].
///
/// The document is that of [`Snapshot::export_json_metrics`](crate::Snapshot::export_json_metrics), whose example shows it.
/// `running` is false in the last one.
#[derive(Clone, Debug)]
pub struct JsonFile {
    file: Replaced,
}

impl JsonFile {
    /// Takes the path of the file, whose folder exists when it is written.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for a path that names no file.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, PublishError> {
        Ok(JsonFile { file: Replaced::new(path.into())? })
    }

    /// Sets the permissions of the file. Default: `0o644`.
    ///
    /// # Errors
    /// As [`PrometheusFile::mode`].
    pub fn mode(mut self, mode: u32) -> Result<Self, PublishError> {
        self.file.mode = checked_mode(mode)?;
        Ok(self)
    }

    /// Makes one of `json-file:PATH`, with the option `mode` (octal digits).
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for what makes no sense.
    pub fn from_target(mut target: Target, _: &Environment) -> Result<Self, PublishError> {
        let file = JsonFile::new(&target.address)?.mode(take_mode(&mut target)?)?;
        target.finish(&["mode"])?;
        Ok(file)
    }
}

impl Destination for JsonFile {
    fn name(&self) -> &str {
        "json-file"
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let document = json_document(&publication.snapshot, publication.running);
        let (mut document, samples) =
            document.map_err(|e| PublishError::Unwritable { format: "JSON".to_owned(), reason: e.to_string() })?;
        document.push('\n');
        Ok(vec![Payload::new(0, samples, publication.snapshot.time, document.into_bytes())])
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        self.file.write(payload).await
    }
}

/// A file that is replaced.
#[derive(Clone, Debug)]
struct Replaced {
    path: Arc<Path>,
    mode: u32,
    /// One write after the other: one that took too long may still go on.
    turn: Arc<Mutex<()>>,
}

impl Replaced {
    fn new(path: PathBuf) -> Result<Self, PublishError> {
        Ok(Replaced { path: checked(path)?.into(), mode: DEFAULT_MODE, turn: Arc::default() })
    }

    async fn write(&self, payload: &Payload) -> Result<Published, PublishError> {
        let (file, payload) = (self.clone(), payload.clone());
        blocking(move || {
            let _turn = file.turn.lock().unwrap_or_else(PoisonError::into_inner);
            replace(&file.path, file.mode, &payload.bytes).map_err(|e| failed(&file.path, &e))?;
            Ok(Published::all(payload.items))
        })
        .await
    }
}
