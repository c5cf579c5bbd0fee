//! Conditions such as `worker_*:p99 > +5 %`: what they look like, and what is wrong with one.

use std::fmt;
use std::str::FromStr;

use super::glob;
use super::metric::{Metric, Unit};

/// A condition, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub text: String,
    /// Which kernels; `None` for all.
    pub kernels: Option<String>,
    pub metric: Metric,
    pub comparator: Comparator,
    pub limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    More,
    AtLeast,
    Less,
    AtMost,
}

/// What is compared with which number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// The change from a to b, as a part of a.
    Relative(f64),
    /// The change from a to b, in the metric's unit.
    Change(f64),
    /// The value of b, in the metric's unit.
    Value(f64),
}

impl Comparator {
    /// Whether it holds.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Comparator::More => value > limit,
            Comparator::AtLeast => value >= limit,
            Comparator::Less => value < limit,
            Comparator::AtMost => value <= limit,
        }
    }
}

/// What would be right.
const SHAPE: &str = "a condition is [KERNELS:]METRIC, then >, >=, < or <=, then a number: '+5 %' for the change, '2ms' for the \
    value, such as 'p99 > +5 %' or 'worker_*:throughput < -10 %'";

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong with it, where, and what would be right.
    pub fn parse(text: &str) -> Result<Condition, String> {
        // A name may hold these signs, a number holds none of them.
        let Some(sign) = text.rfind(['<', '>']) else {
            let wrong = if text.contains('=') { "'=' compares nothing" } else { "nothing is compared" };
            return Err(format!("{wrong}: {SHAPE}"));
        };
        let (left, right) = text.split_at(sign);
        let (comparator, right) = match (&right[..1], right[1..].strip_prefix('=')) {
            (">", None) => (Comparator::More, &right[1..]),
            (">", Some(rest)) => (Comparator::AtLeast, rest),
            (_, None) => (Comparator::Less, &right[1..]),
            (_, Some(rest)) => (Comparator::AtMost, rest),
        };
        let (kernels, name) = match left.rfind(':') {
            Some(at) => (Some(left[..at].trim()), &left[at + 1..]),
            None => (None, left),
        };
        if kernels == Some("") {
            let at = place(text, left);
            return Err(format!("no kernel stands before the ':' {at}: leave the ':' out for all kernels, or use '*'"));
        }
        let metric = metric(text, name)?;
        let limit = limit(text, right, metric)?;
        let kernels = kernels.map(str::to_owned);
        Ok(Condition { text: text.trim().to_owned(), kernels, metric, comparator, limit })
    }

    /// Whether it is about the kernel of that name.
    pub fn is_about(&self, kernel: &str) -> bool {
        self.kernels.as_deref().is_none_or(|pattern| glob::matches(pattern, kernel))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Where a part of a text begins, counted in characters.
fn place(text: &str, part: &str) -> String {
    let bytes = part.as_ptr() as usize - text.as_ptr() as usize;
    format!("at character {}", text[..bytes].chars().count() + 1)
}

fn metric(text: &str, name: &str) -> Result<Metric, String> {
    let trimmed = name.trim();
    let known = Metric::ALL.into_iter().find(|metric| metric.name() == trimmed);
    known.ok_or_else(|| {
        let names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        let names = names.join(", ");
        match trimmed {
            "" => format!("no metric stands {}, before the comparison: it must be one of {names}", place(text, name)),
            _ => {
                let at = place(text, name.trim_start());
                format!("{trimmed:?} {at} is no metric: it must be one of {names}")
            }
        }
    })
}

fn limit(text: &str, right: &str, metric: Metric) -> Result<Limit, String> {
    let right = right.trim_start();
    let at = place(text, right);
    let right = right.trim_end();
    let signed = right.starts_with(['+', '-', '−']);
    let digits = right.trim_start_matches(['+', '-', '−']).trim_start();
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let (digits, unit) = (&digits[..end], digits[end..].trim());
    let number = f64::from_str(digits).ok().filter(|number| number.is_finite());
    let is_one_sign = right.chars().take_while(|c| "+-−".contains(*c)).count() <= 1;
    let Some(number) = number.filter(|_| is_one_sign) else {
        return Err(match right {
            "" => format!("no number stands {at}, behind the comparison: {SHAPE}"),
            _ => format!("{right:?} {at} is no number with a unit: {}", units_of(metric)),
        });
    };
    let number = if right.starts_with(['-', '−']) { -number } else { number };
    if unit == "%" && signed {
        return Ok(Limit::Relative(number / 100.0));
    }
    let refused = || {
        let is = if unit.is_empty() { "no unit".to_owned() } else { format!("the unit {unit:?}") };
        format!("{right:?} {at} has {is}, which {} does not take: {}", metric.name(), units_of(metric))
    };
    let value = in_unit(metric.unit(), number, unit, signed).ok_or_else(refused)?;
    Ok(if signed { Limit::Change(value) } else { Limit::Value(value) })
}

/// A number in the metric's own unit; `None` where it has another.
fn in_unit(of: Unit, number: f64, unit: &str, signed: bool) -> Option<f64> {
    let factor = match (of, unit) {
        (Unit::Nanoseconds, "ns") => 1.0,
        (Unit::Nanoseconds, "us" | "µs" | "μs") => 1e3,
        (Unit::Nanoseconds, "ms") => 1e6,
        (Unit::Nanoseconds, "s") => 1e9,
        (Unit::PerSecond, "/s") | (Unit::Messages, "") => 1.0,
        (Unit::Part, "%") if !signed => 0.01,
        (Unit::Part, "pp") if signed => 0.01,
        _ => return None,
    };
    Some(number * factor)
}

fn units_of(metric: Metric) -> String {
    let (change, value) = match metric.unit() {
        Unit::Nanoseconds => ("+200us", "2ms (ns, us, ms or s)"),
        Unit::PerSecond => ("-1000/s", "5000/s"),
        Unit::Part => ("+0.5 pp (percentage points)", "1 %"),
        Unit::Messages => ("+10", "100"),
    };
    format!("for the change from a to b write '+5 %' or {change}, with its sign; for the value of b write {value}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> (Option<String>, Metric, Comparator, Limit) {
        let condition = Condition::parse(text).unwrap();
        (condition.kernels, condition.metric, condition.comparator, condition.limit)
    }

    #[test]
    fn conditions() {
        use Comparator::{AtLeast, AtMost, Less, More};
        assert_eq!(parsed("p99 > +5 %"), (None, Metric::P99, More, Limit::Relative(0.05)));
        assert_eq!(parsed("p99>+5%"), parsed("  p99  >  + 5  % "));
        assert_eq!(parsed("throughput < -10 %"), (None, Metric::Throughput, Less, Limit::Relative(-0.1)));
        assert_eq!(parsed("throughput <= -2500/s"), (None, Metric::Throughput, AtMost, Limit::Change(-2500.0)));
        assert_eq!(parsed("p99 >= 2ms"), (None, Metric::P99, AtLeast, Limit::Value(2e6)));
        assert_eq!(parsed("waiting_p50 > +200µs"), (None, Metric::WaitingP50, More, Limit::Change(200_000.0)));
        assert_eq!(parsed("error_rate > 1 %"), (None, Metric::ErrorRate, More, Limit::Value(0.01)));
        assert_eq!(parsed("error_rate > +0.5 pp"), (None, Metric::ErrorRate, More, Limit::Change(0.005)));
        assert_eq!(parsed("queue > 100"), (None, Metric::Queue, More, Limit::Value(100.0)));
        assert_eq!(parsed("worker_*:max > 1s").0.as_deref(), Some("worker_*"));
        // Names may hold anything.
        assert_eq!(parsed("a:b <c>:p50 > +0 %").0.as_deref(), Some("a:b <c>"));
    }

    #[test]
    fn what_is_wrong_says_where_and_what_would_be_right() {
        for (text, says) in [
            ("", "nothing is compared"),
            ("p99", "nothing is compared"),
            ("p99 = 5 %", "'=' compares nothing"),
            ("p98 > +5 %", "\"p98\" at character 1 is no metric: it must be one of throughput, error_rate, p50"),
            ("worker: p98 > +5 %", "\"p98\" at character 9"),
            ("> +5 %", "no metric stands at character 1"),
            (":p99 > +5 %", "no kernel stands before the ':'"),
            ("p99 >", "no number stands at character 6"),
            ("p99 > five", "\"five\" at character 7 is no number"),
            ("p99 > 5 %", "has the unit \"%\", which p99 does not take: for the change from a to b write '+5 %'"),
            ("p99 > +5", "has no unit"),
            ("p99 > ++5 %", "is no number"),
            ("p99 > +1.2.3 %", "is no number"),
            ("p99 => +5 %", "\"p99 =\" at character 1 is no metric"),
            ("throughput < 5ms", "which throughput does not take"),
            ("error_rate > +1", "+0.5 pp"),
            ("p99 > NaN ms", "is no number"),
            ("p99 > +5 % or so", "the unit \"% or so\""),
        ] {
            let error = Condition::parse(text).expect_err(text);
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_in_words(text in "\\PC{0,40}") {
            if let Err(error) = Condition::parse(&text) {
                prop_assert!(error.contains("write") || error.contains("must be one of") || error.contains("condition is") || error.contains("leave the"), "{}", error);
            }
        }

        #[test]
        fn what_is_made_of_the_right_parts_is_nearly_right(
            text in "(w.\\*:|é:|)(p99|queue|busy|p9|throughput)( ?)(>|<=|=>|<)( ?)(\\+|-|−|)[0-9.]{0,4}( ?)(%|ms|/s|pp|µs|)"
        ) {
            let read = Condition::parse(&text);
            prop_assert!(read.is_ok_and(|condition| condition.text == text.trim()) || Condition::parse(&text).is_err());
        }

        #[test]
        fn every_right_condition_is_read(
            metric in 0..Metric::ALL.len(), sign in "[+-]", number in 0.0..1e6_f64, comparator in "(>|>=|<|<=)"
        ) {
            let metric = Metric::ALL[metric];
            let read = Condition::parse(&format!("k?:{} {comparator} {sign}{number:.3} %", metric.name())).unwrap();
            let Limit::Relative(part) = read.limit else { panic!("{read:?}") };
            let signed: f64 = if sign == "-" { -number } else { number };
            prop_assert!((part * 100.0 - signed).abs() < 0.001);
            prop_assert_eq!(read.metric, metric);
        }
    }
}
