//! Which CloudWatch, whose, and what metrics are called there: by setters, by an address, by the environment's variables.

use std::time::Duration;

use secrecy::SecretString;

use super::super::delivery::Delivery;
use super::super::environment::Environment;
use super::super::error::PublishError;
use super::super::target::Target;
use crate::export::cloudwatch::{Dimension, Format};

/// Where metrics are found where nothing else is said.
const DEFAULT_NAMESPACE: &str = "ringscope";

/// Sets up a [`CloudWatch`](super::CloudWatch).
#[derive(Clone, Debug)]
pub struct CloudWatchBuilder {
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) credentials: Option<Keys>,
    pub(super) timeout: Duration,
    namespace: String,
    dimensions: Vec<(String, String)>,
    resolution: Option<u8>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: SecretString,
    pub(super) session: Option<SecretString>,
}

impl CloudWatchBuilder {
    pub(super) fn new() -> Self {
        CloudWatchBuilder {
            region: None,
            endpoint: None,
            credentials: None,
            timeout: Delivery::DEFAULT_TIMEOUT,
            namespace: DEFAULT_NAMESPACE.to_owned(),
            dimensions: Vec::new(),
            resolution: None,
        }
    }

    /// Sets the region. Default: what the SDK finds, in `AWS_REGION`, in its files of profiles, or from the machine.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Sets the URL that is asked instead of the region's. Default: what the SDK finds, in `AWS_ENDPOINT_URL_CLOUDWATCH`,
    /// `AWS_ENDPOINT_URL` or its files of profiles.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Sets who asks: the id of an access key, its secret, and the token of a session if it is of one. Default: what the SDK
    /// finds, in the environment, in its files of profiles, or from the container or machine.
    pub fn credentials(
        mut self,
        id: impl Into<String>,
        secret: impl Into<SecretString>,
        session: Option<SecretString>,
    ) -> Self {
        self.credentials = Some(Keys { id: id.into(), secret: secret.into(), session });
        self
    }

    /// Sets the namespace of all metrics. Default: `ringscope`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Sets a dimension of every metric that has none of that name; it replaces one that was set. Default: `service`, of the
    /// publication's source.
    pub fn dimension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.dimensions.retain(|(known, _)| *known != name);
        self.dimensions.push((name, value.into()));
        self
    }

    /// Sets for how many seconds CloudWatch keeps a point of its own: 1 or 60. Default: 1 where less than a minute is between
    /// publications, otherwise 60.
    pub fn resolution(mut self, seconds: u8) -> Self {
        self.resolution = Some(seconds);
        self
    }

    /// Sets the time limit of a call. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(super) fn from_target(mut target: Target, environment: &Environment) -> Result<Self, PublishError> {
        let mut builder = CloudWatchBuilder::new();
        let region = target.address.trim_end_matches('/').to_owned();
        let region = Some(region).filter(|region| !region.is_empty());
        builder.region =
            region.or_else(|| environment.get("AWS_REGION").or_else(|| environment.get("AWS_DEFAULT_REGION")));
        let endpoint = target.take("endpoint").or_else(|| environment.get("AWS_ENDPOINT_URL_CLOUDWATCH"));
        builder.endpoint = endpoint.or_else(|| environment.get("AWS_ENDPOINT_URL"));
        if let Some(id) = environment.get("AWS_ACCESS_KEY_ID")
            && let Some(secret) = environment.secret("AWS_SECRET_ACCESS_KEY")?
        {
            builder = builder.credentials(id, secret, environment.secret("AWS_SESSION_TOKEN")?);
        }
        builder = builder.options(&mut target)?;
        target.finish(&["dimensions", "endpoint", "namespace", "resolution"])?;
        Ok(builder)
    }

    /// What is to be written to the standard output.
    pub(super) fn from_emf_target(mut target: Target) -> Result<Self, PublishError> {
        if target.address != "stdout" {
            return Err(bad(
                "where the lines go",
                "cloudwatch-emf:stdout is the standard output; nothing else is there",
            ));
        }
        let builder = CloudWatchBuilder::new().options(&mut target)?;
        target.finish(&["dimensions", "namespace", "resolution"])?;
        Ok(builder)
    }

    fn options(mut self, target: &mut Target) -> Result<Self, PublishError> {
        if let Some(namespace) = target.take("namespace") {
            self = self.namespace(namespace);
        }
        for pair in target.take("dimensions").iter().flat_map(|all| all.split(',')).filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once(':').ok_or_else(|| bad("dimensions", "they are name:value,name:value"))?;
            self = self.dimension(name, value);
        }
        self.resolution = target.take_one_of("resolution", &[("1", 1), ("60", 60)])?;
        Ok(self)
    }

    /// What all metrics have in common, checked.
    pub(super) fn format(&self) -> Result<Format, PublishError> {
        let is_text = |text: &str| text.bytes().all(|b| (b' '..0x7f).contains(&b)) && !text.trim().is_empty();
        let is_name = |name: &str| is_text(name) && name.len() <= 255 && !name.starts_with(':');
        if !is_name(&self.namespace) || self.namespace.starts_with("AWS/") {
            return Err(bad(
                "the namespace",
                "it is ASCII, 1 to 255 bytes, and begins neither with a colon nor with AWS/",
            ));
        }
        if self.resolution.is_some_and(|seconds| seconds != 1 && seconds != 60) {
            return Err(bad("the resolution", "it is 1 or 60 seconds"));
        }
        let mut dimensions = Vec::new();
        for (name, value) in &self.dimensions {
            if !is_name(name) || !is_text(value) || value.len() > 1024 {
                return Err(bad(
                    &format!("the dimension {name}"),
                    "names have 1 to 255 ASCII characters, values 1 to 1024",
                ));
            }
            dimensions.extend(Dimension::new(name, value));
        }
        Ok(Format::new(self.namespace.clone(), dimensions, self.resolution))
    }

    /// Checks what is there of the endpoint.
    pub(super) fn checked_endpoint(&self) -> Result<(), PublishError> {
        let is_url = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        match &self.endpoint {
            Some(url) if !is_url(url) => Err(bad("the endpoint", "it is http:// or https://, host and port")),
            _ => Ok(()),
        }
    }
}

pub(super) fn bad(setting: &str, remedy: &str) -> PublishError {
    PublishError::BadSetting { setting: setting.to_owned(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn built(url: &str, environment: &Environment) -> Result<CloudWatchBuilder, PublishError> {
        let target = Target::parse(url)?;
        let builder = match target.scheme.as_str() {
            "cloudwatch-emf" => CloudWatchBuilder::from_emf_target(target)?,
            _ => CloudWatchBuilder::from_target(target, environment)?,
        };
        builder.checked_endpoint().and(builder.format().map(|_| builder))
    }

    #[test]
    fn region_keys_and_endpoint_come_from_the_url_or_else_from_the_environment() {
        let environment = Environment::of([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", "http://everything:1"),
            ("AWS_ENDPOINT_URL_CLOUDWATCH", "http://metrics:2"),
            ("AWS_ACCESS_KEY_ID", "AKID"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
        ]);
        let builder = built("cloudwatch://", &environment).expect("the environment has all");
        assert_eq!(
            (builder.region.as_deref(), builder.endpoint.as_deref()),
            (Some("eu-west-1"), Some("http://metrics:2"))
        );
        let keys = builder.credentials.as_ref().expect("both are there");
        assert_eq!((&*keys.id, keys.secret.expose_secret(), keys.session.is_none()), ("AKID", "hush", true));
        assert!(!format!("{builder:?}").contains("hush"));
        let url =
            "cloudwatch://us-east-1?endpoint=https://vpc:3&namespace=shop/gpu&dimensions=stage:live,az:a&resolution=60";
        let builder = built(url, &environment).expect("an address");
        assert_eq!(
            (builder.region.as_deref(), builder.endpoint.as_deref()),
            (Some("us-east-1"), Some("https://vpc:3"))
        );
        let format = builder.format().expect("checked");
        assert_eq!((&*format.namespace, format.dimensions.len(), format.resolution), ("shop/gpu", 2, Some(60)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_remedy() {
        let nothing = Environment::of([]);
        for (url, about) in [
            ("cloudwatch://r?namespace=AWS/EC2", "the namespace is wrong"),
            ("cloudwatch://r?namespace=:a", "the namespace is wrong"),
            ("cloudwatch://r?resolution=5", "5 is none of 1, 60"),
            ("cloudwatch://r?dimensions=stage", "dimensions is wrong"),
            ("cloudwatch://r?dimensions=stage:", "the dimension stage is wrong"),
            ("cloudwatch://r?endpoint=metrics", "the endpoint is wrong"),
            ("cloudwatch-emf:file", "where the lines go is wrong"),
            ("cloudwatch://r?colour=red", "there are dimensions, endpoint, namespace, resolution"),
        ] {
            let error = built(url, &nothing).expect_err(url).to_string();
            assert!(error.contains(about), "{url}: {error}");
        }
    }
}
