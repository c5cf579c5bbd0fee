//! What is said of the process itself wherever its telemetry goes: the service's name, attributes of the resource.

use ringscope::publish::Environment;
use ringscope::trace::{Attribute, Source, Value as Known};

use crate::cli::publish::file::{Entry, Problem, Value};

const SERVICE: &str = "ringscope";

/// The file's names stand over those of the environment (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`).
pub fn source(resource: &[Entry], environment: &Environment, problems: &mut Vec<Problem>) -> Source {
    let mut attributes = of_environment(environment);
    let named = attributes.iter().position(|attribute| attribute.name == "service.name");
    let named = named.map(|at| attributes.remove(at).value.to_string());
    for entry in resource {
        match attribute(entry) {
            Ok(attribute) => {
                attributes.retain(|known| known.name != attribute.name);
                attributes.push(attribute);
            }
            Err(message) => problems.push(Problem::new(entry.place, format!("resource.{}: {message}", entry.key))),
        }
    }
    let service = environment.get("OTEL_SERVICE_NAME").or(named);
    let mut source = Source::this_process(service.unwrap_or_else(|| SERVICE.to_owned()));
    source.attributes = attributes;
    source
}

fn attribute(entry: &Entry) -> Result<Attribute, String> {
    if entry.key == "service.name" {
        return Err("it has a key of its own: service = \"…\" at the top of the file".to_owned());
    }
    let value = match &entry.value {
        Value::Text(text) => Known::from(text.clone()),
        Value::Number(number) => match (number.parse::<i64>(), number.parse::<f64>(), number.parse::<bool>()) {
            (Ok(whole), ..) => Known::from(whole),
            (_, Ok(number), _) => Known::from(number),
            (.., Ok(truth)) => Known::from(truth),
            _ => Known::from(number.clone()),
        },
        _ => return Err(entry.must_be("a text, a number or true or false; a name with dots stands in quotes")),
    };
    Ok(Attribute::new(entry.key.clone(), value))
}

/// `name=value,name=value`, with %20 for a space, as OpenTelemetry has it.
fn of_environment(environment: &Environment) -> Vec<Attribute> {
    let text = environment.get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| Attribute::new(name.trim().to_owned(), decoded(value.trim()))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
