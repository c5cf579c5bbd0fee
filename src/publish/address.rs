//! What is set alike for those who send over HTTP: addresses, certificates, time limits.

use url::Url;

use super::error::PublishError;
use super::http::HttpOptions;
use super::target::Target;

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

/// Certificates and time limit of the target.
pub(super) fn options(target: &mut Target) -> Result<HttpOptions, PublishError> {
    let mut options = HttpOptions::default();
    if let Some(path) = target.take("ca") {
        let read = std::fs::read(&path);
        options.ca_pem = Some(read.map_err(|e| PublishError::File { path, reason: e.to_string() })?);
    }
    options.timeout = target.take_duration("timeout")?;
    Ok(options)
}

pub(super) fn bad(setting: &str, remedy: &str) -> PublishError {
    PublishError::BadSetting { setting: setting.to_owned(), remedy: remedy.to_owned() }
}

/// Name of the machine, where the system tells it.
pub(super) fn host() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
