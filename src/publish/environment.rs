//! Where destinations find what has names of its own in the environment, and secrets.

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;

use super::error::PublishError;

type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The environment variables that destinations look at. Empty ones count as not set.
#[derive(Clone)]
pub struct Environment(Lookup);

impl Environment {
    /// Takes those of this process.
    pub fn of_this_process() -> Self {
        Environment(Arc::new(|name| std::env::var(name).ok()))
    }

    /// Takes these, for tests and for programs that keep such things elsewhere.
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Environment(Arc::new(move |name| {
            variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        }))
    }

    /// Puts these before the others: a variable that is in both has the value given here.
    pub fn with(self, variables: Vec<(String, String)>) -> Self {
        Environment(Arc::new(move |name| {
            let own = variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            own.or_else(|| (self.0)(name))
        }))
    }

    /// Returns a variable's value.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// Returns the secret in variable `name`, or in the file that variable `name` with `_FILE` at its end names, without the
    /// spaces and line ends around it.
    ///
    /// # Errors
    /// [`PublishError::File`], if the file cannot be read.
    pub fn secret(&self, name: &str) -> Result<Option<SecretString>, PublishError> {
        if let Some(value) = self.get(name) {
            return Ok(Some(value.into()));
        }
        self.get(&format!("{name}_FILE")).map(|path| secret_file(&path)).transpose()
    }
}

/// Reads a secret from a file.
///
/// # Errors
/// [`PublishError::File`], if it cannot be read, or is empty.
pub fn secret_file(path: &str) -> Result<SecretString, PublishError> {
    let failed = |reason: String| PublishError::File { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
    match text.trim() {
        "" => Err(failed("it has no secret in it".to_owned())),
        secret => Ok(secret.into()),
    }
}

#[cfg(any(feature = "elasticsearch", feature = "otlp", feature = "pushgateway", feature = "remote-write"))]
impl Environment {
    /// The headers in variable `name`, or in the file that `name` with `_FILE` names: `name=value,name=value`, as OpenTelemetry
    /// writes them.
    pub(super) fn headers(&self, name: &str) -> Result<Vec<(String, SecretString)>, PublishError> {
        let Some(text) = self.secret(name)? else { return Ok(Vec::new()) };
        let all = super::lists::pairs(name, secrecy::ExposeSecret::expose_secret(&text))?;
        Ok(all.into_iter().map(|(name, value)| (name, value.into())).collect())
    }
}

impl Default for Environment {
    fn default() -> Self {
        Environment::of_this_process()
    }
}

impl fmt::Debug for Environment {
    /// Shows no value: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
