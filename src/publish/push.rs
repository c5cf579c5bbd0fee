//! What is set alike for those who take pushes of Prometheus's metrics over HTTP.

use secrecy::SecretString;

use super::address::{self, host};
use super::environment::Environment;
use super::error::PublishError;
use super::http::{Auth, HttpOptions};
use super::target::Target;
use crate::trace::Source;

pub(super) use super::address::{OPTIONS, bad, endpoint, url};

/// Certificates and time limit of the target; who asks, of the environment: `PREFIX_BEARER_TOKEN`, or `PREFIX_USERNAME` and
/// `PREFIX_PASSWORD`, and `PREFIX_HEADERS`, each also by a file that the variable with `_FILE` names.
pub(super) fn options(
    target: &mut Target,
    environment: &Environment,
    prefix: &str,
) -> Result<HttpOptions, PublishError> {
    let headers = environment.headers(&format!("{prefix}_HEADERS"))?;
    Ok(HttpOptions { auth: auth(environment, prefix)?, headers, ..address::options(target)? })
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
