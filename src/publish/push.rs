//! What is set alike for those who take pushes of Prometheus's metrics over HTTP.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::environment::Environment;
use super::error::PublishError;
use super::http::{Auth, HttpOptions};
use super::target::Target;
use crate::trace::Source;

/// Names of the options that [`options`] takes.
pub(super) const OPTIONS: [&str; 2] = ["ca", "timeout"];

/// The address that somebody wrote, with `path` where it has none.
pub(super) fn url(endpoint: &str, path: &str) -> Result<Url, PublishError> {
    let bad = |remedy: &str| bad("the endpoint", remedy);
    let mut url = Url::parse(endpoint).map_err(|e| bad(&format!("{e}: write http://host:port")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(bad("write http://host:port, or https://host"));
    }
    if url.scheme() == "https" && !cfg!(feature = "tls") {
        return Err(bad("this build has no TLS: build with the feature tls"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("user and password do not belong into it, where others see them"));
    }
    if matches!(url.path(), "" | "/") {
        url.set_path(path);
    }
    Ok(url)
}

/// `name+http://host` as `http://host`.
pub(super) fn endpoint(target: &Target) -> Result<String, PublishError> {
    if target.address.is_empty() {
        return Err(bad("the destination", &format!("write {}://host:port", target.scheme)));
    }
    let transport = target.scheme.rsplit_once('+').map_or("http", |(_, transport)| transport);
    Ok(format!("{transport}://{}", target.address))
}

/// Certificates and time limit of the target; who asks, of the environment: `PREFIX_BEARER_TOKEN`, or `PREFIX_USERNAME` and
/// `PREFIX_PASSWORD`, each also by a file that the variable with `_FILE` names.
pub(super) fn options(
    target: &mut Target,
    environment: &Environment,
    prefix: &str,
) -> Result<HttpOptions, PublishError> {
    let mut options = HttpOptions { auth: auth(environment, prefix)?, ..HttpOptions::default() };
    if let Some(path) = target.take("ca") {
        let read = std::fs::read(&path);
        options.ca_pem = Some(read.map_err(|e| PublishError::File { path, reason: e.to_string() })?);
    }
    if let Some(seconds) = target.take("timeout") {
        let time = seconds.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let bad = || bad("the option timeout", "it is a number of seconds, more than 0");
        options.timeout = Some(time.filter(|time| !time.is_zero()).ok_or_else(bad)?);
    }
    Ok(options)
}

fn auth(environment: &Environment, prefix: &str) -> Result<Auth, PublishError> {
    if let Some(token) = environment.secret(&format!("{prefix}_BEARER_TOKEN"))? {
        return Ok(Auth::Bearer(token));
    }
    let password: Option<SecretString> = environment.secret(&format!("{prefix}_PASSWORD"))?;
    let name = format!("{prefix}_USERNAME");
    match (environment.get(&name), password) {
        (None, None) => Ok(Auth::None),
        (None, Some(_)) => Err(bad(&name, "there is a password and no user")),
        (Some(user), password) => Ok(Auth::Basic { user, password: password.unwrap_or_else(|| "".into()) }),
    }
}

/// Labels of the target: `labels`, and those that have options of their own.
pub(super) fn labels(target: &mut Target) -> Result<Vec<(String, String)>, PublishError> {
    let mut labels = Vec::new();
    for pair in target.take("labels").iter().flat_map(|all| all.split(',')) {
        let pair = pair.split_once('=').ok_or_else(|| bad("the option labels", "write name=value,name=value"))?;
        labels.push((pair.0.to_owned(), pair.1.to_owned()));
    }
    let named = ["job", "instance"].into_iter().filter_map(|name| Some((name.to_owned(), target.take(name)?)));
    labels.extend(named);
    Ok(labels)
}

/// Checks that Prometheus takes these names.
pub(super) fn check_labels(labels: &[(String, String)]) -> Result<(), PublishError> {
    for (name, _) in labels {
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !first || name.starts_with("__") || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
            return Err(bad(&format!("the label {name}"), "a name has letters, digits and _, and no __ at its begin"));
        }
    }
    Ok(())
}

/// Sets a label among others.
pub(super) fn set(labels: &mut Vec<(String, String)>, name: String, value: String) {
    labels.retain(|(known, _)| *known != name);
    labels.push((name, value));
}

/// The labels, and `job` and `instance` of the source where they are not among them.
pub(super) fn with_identity(labels: &[(String, String)], source: &Source) -> Vec<(String, String)> {
    let mut all = labels.to_vec();
    let (job, instance) = identity(source);
    for (name, value) in [("job", job), ("instance", instance)] {
        if !all.iter().any(|(known, _)| known == name) {
            all.push((name.to_owned(), value));
        }
    }
    all
}

pub(super) fn bad(setting: &str, remedy: &str) -> PublishError {
    PublishError::BadSetting { setting: setting.to_owned(), remedy: remedy.to_owned() }
}

/// The labels by which Prometheus knows who says something: `job` is the service, with its namespace before it, and `instance`
/// the attribute `service.instance.id`, or host and process.
fn identity(source: &Source) -> (String, String) {
    let attribute = |name: &str| {
        let found = source.attributes.iter().find(|attribute| attribute.name == name);
        found.map(|attribute| attribute.value.to_string()).filter(|value| !value.is_empty())
    };
    let job = match attribute("service.namespace") {
        Some(namespace) => format!("{namespace}/{}", source.service),
        None => source.service.to_string(),
    };
    let process =
        || format!("{}:{}", attribute("host.name").or_else(host).unwrap_or_else(|| "localhost".into()), source.pid);
    (job, attribute("service.instance.id").unwrap_or_else(process))
}

fn host() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
