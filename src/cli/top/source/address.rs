//! The address of a server.

use std::fmt;
use std::str::FromStr;

/// `http://host:port`, or `host:port`; the path of the recording is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(url::Url);

impl Address {
    /// Returns the address of what is live.
    pub fn live(&self) -> url::Url {
        let mut url = self.0.clone();
        let path = format!("{}/live.rscope", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "must be the address of a server, such as http://localhost:9464";
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = url::Url::parse(&with_scheme).map_err(|error| format!("{SHAPE}: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(SHAPE.to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!("{SHAPE}; a token stands in a file: --token-file"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{SHAPE}, without ? and #"));
        }
        Ok(Address(url))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let live = |text: &str| text.parse::<Address>().map(|address| address.live().to_string());
        assert_eq!(live("http://localhost:9464").unwrap(), "http://localhost:9464/live.rscope");
        assert_eq!(live("gpu7:9464").unwrap(), "http://gpu7:9464/live.rscope");
        assert_eq!(live("[::1]:9464").unwrap(), "http://[::1]:9464/live.rscope");
        assert_eq!(live("https://x/behind/a/proxy/").unwrap(), "https://x/behind/a/proxy/live.rscope");
        for wrong in ["", "ftp://x", "http://", "http://u:p@x", "x:99999", "x?a=1", "http://x/#a"] {
            let error = live(wrong).unwrap_err();
            assert!(error.contains("http://localhost:9464"), "{wrong}: {error}");
        }
    }
}
