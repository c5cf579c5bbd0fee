//! Destinations by address: `otlp+http://collector:4318?compression=gzip`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::error::PublishError;
use super::lists::decoded;

/// A destination as somebody wrote it: `SCHEME://ADDRESS?OPTION=VALUE&…` or `SCHEME:PATH?…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Which destination, with its transport: `otlp+http`.
    pub scheme: String,
    /// What is between the scheme and the options: `collector:4318/v1`, or a path.
    pub address: String,
    options: BTreeMap<String, String>,
}

impl Target {
    /// Reads an address.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] without a scheme, with user and password in it, or with an option twice.
    pub fn parse(text: &str) -> Result<Target, PublishError> {
        let wrong = |remedy: &str| {
            Err(PublishError::BadSetting { setting: "the destination".to_owned(), remedy: remedy.to_owned() })
        };
        let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| !scheme.is_empty()) else {
            return wrong("it begins with a scheme, such as otlp+http://localhost:4318 or json-file:telemetry.json");
        };
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let address = address.strip_prefix("//").unwrap_or(address);
        if address.split('/').next().is_some_and(|authority| authority.contains('@'))
            && !["json-file", "json-lines", "prometheus-file"].contains(&scheme)
        {
            return wrong(
                "user and password do not belong into it, where others see them: put them into the environment or a file",
            );
        }
        let mut target = Target { scheme: scheme.to_owned(), address: address.to_owned(), options: BTreeMap::new() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if target.options.insert(name.to_owned(), decoded(value)).is_some() {
                return wrong(&format!("the option {name} is there twice"));
            }
        }
        Ok(target)
    }

    /// Sets an option.
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(name.into(), value.into());
        self
    }

    /// Takes an option out, to be read.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.options.remove(name)
    }

    /// Takes all options out, by name.
    pub fn take_all(&mut self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.options)
    }

    /// Takes an option out that one of `values` is.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for another value.
    pub fn take_one_of<T: Copy>(&mut self, name: &str, values: &[(&str, T)]) -> Result<Option<T>, PublishError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let found = values.iter().find(|(known, _)| *known == value);
        let known = || values.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
        found.map(|(_, value)| Some(*value)).ok_or_else(|| PublishError::BadSetting {
            setting: format!("the option {name} of {}", self.scheme),
            remedy: format!("{value} is none of {}", known()),
        })
    }

    /// Takes a time out, as in `timeout=10s`: a number and `ms`, `s`, `m` or `h`, more than 0.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for anything else.
    pub fn take_duration(&mut self, name: &str) -> Result<Option<Duration>, PublishError> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let seconds = units.iter().find_map(|(unit, seconds)| {
            let number = text.strip_suffix(unit)?.parse::<f64>().ok()?;
            Some(number * seconds)
        });
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        time.filter(|time| !time.is_zero()).map(Some).ok_or_else(|| PublishError::BadSetting {
            setting: format!("the option {name} of {}", self.scheme),
            remedy: "it is a time longer than 0, such as 500ms, 10s or 2m".to_owned(),
        })
    }

    /// Checks that no option is left, after all that are known were taken out.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for one that is left; it names those in `known`.
    pub fn finish(self, known: &[&str]) -> Result<(), PublishError> {
        match self.options.keys().next() {
            None => Ok(()),
            Some(name) => Err(PublishError::BadSetting {
                setting: format!("the option {name} of {}", self.scheme),
                remedy: match known {
                    [] => "this destination has no options".to_owned(),
                    known => format!("there are {}", known.join(", ")),
                },
            }),
        }
    }
}

impl fmt::Debug for Target {
    /// Shows no option's value: somebody may have written a secret there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{} {:?}", self.scheme, self.address, self.options.keys())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.address)
    }
}
