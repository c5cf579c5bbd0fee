//! Headers of a destination: `headers = { x-scope = "a", authorization = { file = "PATH" } }`.

use ringscope::publish::{Environment, SecretString, secret_file};

use crate::cli::publish::file::{Entry, Value};

/// Headers whose values are secrets.
const SECRET: &[&str] = &["authorization", "proxy-authorization", "api-key", "x-api-key", "dd-api-key", "cookie"];

/// Returns them as `name=value,name=value`, with %20 for a space, as environment variables have them.
pub fn headers(table: &[Entry], environment: &Environment) -> Result<String, String> {
    let pair = |entry: &Entry| {
        let value = value(entry, environment).map_err(|message| format!("{}: {message}", entry.key))?;
        Ok(format!("{}={}", encoded(&entry.key), encoded(&value)))
    };
    let pairs: Result<Vec<String>, String> = table.iter().map(pair).collect();
    Ok(pairs?.join(","))
}

fn value(entry: &Entry, environment: &Environment) -> Result<String, String> {
    let Value::Table(from) = &entry.value else {
        if SECRET.contains(&entry.key.to_lowercase().as_str()) {
            let remedy = "{ file = \"PATH\" } or { env = \"NAME\" }";
            return Err(format!("a secret does not stand here, where others read it: say where it is, {remedy}"));
        }
        return entry.text().map(str::to_owned);
    };
    match &from[..] {
        [file] if file.key == "file" => {
            let secret: SecretString = secret_file(file.text()?).map_err(|error| error.to_string())?;
            Ok(secret_text(&secret))
        }
        [named] if named.key == "env" => environment
            .get(named.text()?)
            .ok_or_else(|| "there is no environment variable of that name, or it is empty".to_owned()),
        _ => Err(entry.must_be("a text, { file = \"PATH\" } or { env = \"NAME\" }")),
    }
}

fn secret_text(secret: &SecretString) -> String {
    use secrecy::ExposeSecret;
    secret.expose_secret().to_owned()
}

/// Everything but letters, digits and what no list needs for itself.
fn encoded(text: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::publish::file::parse;

    fn of(toml: &str) -> Result<String, String> {
        let environment = Environment::of([("KEY", "Basic a=b, c")]);
        headers(&parse(toml, &mut Vec::new()), &environment)
    }

    #[test]
    fn headers_are_a_list_and_secrets_stand_elsewhere() {
        assert_eq!(of("x-scope = \"a b\"\nx-level = 3").unwrap(), "x-scope=a%20b,x-level=3");
        assert_eq!(of("Authorization = { env = \"KEY\" }").unwrap(), "Authorization=Basic%20a%3Db%2C%20c");
        for wrong in ["Authorization = \"hunter2\"", "a = { env = \"NONE\" }", "a = { x = \"y\" }", "a = []"] {
            let error = of(wrong).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
