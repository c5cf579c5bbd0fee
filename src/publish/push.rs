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
    let bad = |remedy: &str| PublishError::BadSetting { setting: "the endpoint".to_owned(), remedy: remedy.to_owned() };
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
        let remedy = format!("write {}://host:port", target.scheme);
        return Err(PublishError::BadSetting { setting: "the destination".to_owned(), remedy });
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
        let bad = || PublishError::BadSetting {
            setting: format!("the option timeout of {}", target.scheme),
            remedy: "it is a number of seconds, more than 0".to_owned(),
        };
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
        (None, Some(_)) => {
            Err(PublishError::BadSetting { setting: name, remedy: "there is a password and no user".to_owned() })
        }
        (Some(user), password) => Ok(Auth::Basic { user, password: password.unwrap_or_else(|| "".into()) }),
    }
}

/// The labels by which Prometheus knows who says something: `job` is the service, with its namespace before it, and `instance`
/// the attribute `service.instance.id`, or host and process.
pub(super) fn identity(source: &Source) -> (String, String) {
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
