//! Lists in environment variables, as OpenTelemetry writes them: `name=value,name=value`, values percent-encoded.

#[cfg(any(feature = "elasticsearch", feature = "otlp", feature = "pushgateway", feature = "remote-write"))]
use super::error::PublishError;

/// The pairs of such a list. Errors name `variable` and no value: some are keys.
#[cfg(any(feature = "elasticsearch", feature = "otlp", feature = "pushgateway", feature = "remote-write"))]
pub(super) fn pairs(variable: &str, text: &str) -> Result<Vec<(String, String)>, PublishError> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let pair = |entry: &str| match entry.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((decoded(name.trim()), decoded(value.trim()))),
        _ => Err(PublishError::BadSetting {
            setting: variable.to_owned(),
            remedy: "write name=value, with commas between several, and %2C for a comma in a value".to_owned(),
        }),
    };
    entries.map(pair).collect()
}

/// `%20` is a space.
pub(super) fn decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%');
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(all(test, any(feature = "elasticsearch", feature = "otlp", feature = "pushgateway", feature = "remote-write")))]
mod tests {
    use super::*;

    #[test]
    fn values_may_have_anything_and_errors_show_none() {
        let list = pairs("V", "api-key=a%2Cb%3D, x = y=z ,,").unwrap();
        assert_eq!(list, [("api-key".to_owned(), "a,b=".to_owned()), ("x".to_owned(), "y=z".to_owned())]);
        assert_eq!(decoded("100%, %zz%41%"), "100%, %zzA%");
        let error = pairs("V", "Bearer s3cret").unwrap_err().to_string();
        assert!(error.contains("V is wrong") && !error.contains("s3cret"), "{error}");
    }
}
