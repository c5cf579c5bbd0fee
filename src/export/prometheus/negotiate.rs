//! Which format a scraper gets: what its `Accept` header prefers among those that there are.

/// A format of a page for Prometheus. More may come, and features add some: a `match` needs a wildcard arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PageFormat {
    /// The classic text, version 0.0.4, which every tool reads.
    Text,
    /// OpenMetrics 1.0 text.
    OpenMetrics,
    /// Protobuf, with native histograms (feature `prometheus-protobuf`).
    #[cfg(feature = "prometheus-protobuf")]
    Protobuf,
}

impl PageFormat {
    /// Lists the formats of the features that are on. Of those that a scraper prefers equally, the last is taken: it
    /// says the most.
    pub const ALL: &[PageFormat] = &[
        PageFormat::Text,
        PageFormat::OpenMetrics,
        #[cfg(feature = "prometheus-protobuf")]
        PageFormat::Protobuf,
    ];

    /// Returns the value of the `Content-Type` header to serve a page with.
    pub const fn content_type(self) -> &'static str {
        match self {
            PageFormat::Text => "text/plain; version=0.0.4; charset=utf-8",
            PageFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            #[cfg(feature = "prometheus-protobuf")]
            PageFormat::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// Chooses the format that `accept`, the value of an `Accept` header, prefers. Returns [`Text`](Self::Text) for
    /// `*/*`, and if none of what is asked for is available: a scraper that gets what it did not ask for can say so.
    ///
    /// ```
    /// use ringscope::export::PageFormat;
    ///
    /// assert_eq!(PageFormat::negotiate("*/*"), PageFormat::Text);
    /// let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    /// assert_eq!(PageFormat::negotiate(accept), PageFormat::OpenMetrics);
    /// ```
    pub fn negotiate(accept: &str) -> PageFormat {
        let ranges = || accept.split(',').map(Range::parse);
        let liking = |format: &PageFormat| ranges().filter(|r| r.names(*format)).map(|r| r.weight).max();
        let liked = PageFormat::ALL.iter().filter_map(|format| Some((liking(format)?, *format)));
        // Of equals `max_by_key` takes the last.
        let best = liked.filter(|(weight, _)| *weight > 0).max_by_key(|(weight, _)| *weight);
        let anything = ranges().filter(|r| r.is_anything()).map(|r| r.weight).max().unwrap_or(0);
        match best {
            Some((weight, format)) if weight >= anything => format,
            _ => PageFormat::Text,
        }
    }
}

/// One entry of the header: a type, its parameters, and how much it is liked, in thousandths.
struct Range<'a> {
    kind: &'a str,
    parameters: &'a str,
    weight: u32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Range<'a> {
        let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
        let mut range = Range { kind: kind.trim(), parameters, weight: 1000 };
        if let Some(q) = range.parameter("q") {
            // What is no number is not liked.
            range.weight = (q.parse::<f64>().unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0) as u32;
        }
        range
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let pairs = self.parameters.split(';').filter_map(|p| p.split_once('='));
        let value = pairs.into_iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?.1;
        Some(value.trim().trim_matches('"'))
    }

    fn is_anything(&self) -> bool {
        self.kind == "*/*"
    }

    /// Whether it asks for this very format.
    fn names(&self, format: PageFormat) -> bool {
        let is = |name, value: &str| self.parameter(name).is_some_and(|p| p.eq_ignore_ascii_case(value));
        let is_or_any = |name, value| self.parameter(name).is_none() || is(name, value);
        match format {
            PageFormat::Text => {
                matches!(self.kind.to_ascii_lowercase().as_str(), "text/plain" | "text/*")
                    && is_or_any("version", "0.0.4")
            }
            // Of the draft, 0.0.1, every page of ours is one as well.
            PageFormat::OpenMetrics => {
                self.kind.eq_ignore_ascii_case("application/openmetrics-text")
                    && (is_or_any("version", "1.0.0") || is("version", "0.0.1"))
            }
            #[cfg(feature = "prometheus-protobuf")]
            PageFormat::Protobuf => {
                self.kind.eq_ignore_ascii_case("application/vnd.google.protobuf")
                    && is("proto", "io.prometheus.client.MetricFamily")
                    && is("encoding", "delimited")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PageFormat::{OpenMetrics, Text};

    /// What Prometheus 2.42 sends, with native histograms and without.
    const NATIVE: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
        application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
        text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    const PLAIN: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
        text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

    #[test]
    fn prometheus_gets_what_it_prefers() {
        assert_eq!(PageFormat::negotiate(PLAIN), OpenMetrics);
        #[cfg(feature = "prometheus-protobuf")]
        {
            assert_eq!(PageFormat::negotiate(NATIVE), PageFormat::Protobuf);
            // Prometheus 3 asks for the names' escaping as well.
            let newer = NATIVE.replace("delimited,", "delimited;escaping=allow-utf-8;q=0.6,");
            assert_eq!(PageFormat::negotiate(&newer), OpenMetrics);
        }
        #[cfg(not(feature = "prometheus-protobuf"))]
        assert_eq!(PageFormat::negotiate(NATIVE), OpenMetrics);
    }

    #[test]
    fn weights_and_parameters_count() {
        for (accept, format) in [
            ("", Text),
            ("*/*", Text),
            ("text/*", Text),
            ("text/html, application/xhtml+xml, */*;q=0.8", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text; version=\"1.0.0\" ; q=1.0", OpenMetrics),
            ("APPLICATION/OpenMetrics-Text;Version=0.0.1", OpenMetrics),
            ("application/openmetrics-text;version=2.0.0", Text),
            ("application/openmetrics-text;q=0", Text),
            ("application/openmetrics-text;q=x", Text),
            ("application/openmetrics-text;q=0.4,text/plain;q=0.5", Text),
            ("application/openmetrics-text;q=0.5,text/plain;q=0.5", OpenMetrics),
            ("application/openmetrics-text;q=0.1,*/*;q=0.5", Text),
            ("text/plain;version=1.0.0,application/openmetrics-text;q=0.2", OpenMetrics),
            ("application/vnd.google.protobuf", Text),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", Text),
            ("application/json", Text),
            (";;;=,q=,;q=", Text),
        ] {
            assert_eq!(PageFormat::negotiate(accept), format, "{accept}");
        }
    }
}
