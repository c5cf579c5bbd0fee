//! Units: Prometheus spells them out, OpenTelemetry has those of UCUM.

use std::borrow::Cow;

const UNITS: &[(&str, &str)] = &[
    ("ratio", "1"),
    ("percent", "%"),
    ("days", "d"),
    ("hours", "h"),
    ("minutes", "min"),
    ("seconds", "s"),
    ("milliseconds", "ms"),
    ("microseconds", "us"),
    ("nanoseconds", "ns"),
    ("bytes", "By"),
    ("kibibytes", "KiBy"),
    ("mebibytes", "MiBy"),
    ("gibibytes", "GiBy"),
    ("kilobytes", "kBy"),
    ("megabytes", "MBy"),
    ("gigabytes", "GBy"),
    ("bits", "bit"),
    ("meters", "m"),
    ("grams", "g"),
    ("volts", "V"),
    ("amperes", "A"),
    ("joules", "J"),
    ("watts", "W"),
    ("celsius", "Cel"),
    ("hertz", "Hz"),
];

/// The unit in UCUM's case-sensitive form. One that it does not know is an annotation, which it takes for the number 1.
pub(super) fn ucum(unit: Option<&str>) -> Cow<'static, str> {
    let Some(unit) = unit else { return Cow::Borrowed("") };
    let known = UNITS.iter().find(|(name, code)| *name == unit || *code == unit);
    known.map_or_else(|| Cow::Owned(format!("{{{unit}}}")), |(_, code)| Cow::Borrowed(*code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::catalog;

    #[test]
    fn every_unit_of_the_catalog_is_known() {
        for family in catalog() {
            let unit = ucum(family.unit);
            assert!(!unit.starts_with('{'), "{}: {unit}", family.name);
        }
        assert_eq!([ucum(None), ucum(Some("ms")), ucum(Some("tokens"))], ["", "ms", "{tokens}"]);
    }
}
