//! Axes: where a value lies, and the round numbers beside them.

use super::chart::Unit;
use crate::cli::term::units;

/// From a value to its height, 0 at the bottom and 1 at the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    pub ticks: Vec<(f64, String)>,
}

impl Unit {
    /// A value in the unit.
    pub fn shown(self, value: f64) -> String {
        let trimmed = |text: String| text.replacen(".0 ", " ", 1);
        match self {
            Unit::Latency => trimmed(units::latency(value)),
            Unit::PerSecond | Unit::Messages => {
                let text = units::rate(value);
                trimmed(text.strip_suffix(".0").map(str::to_owned).unwrap_or(text))
            }
            Unit::Part => format!("{:.0} %", value * 100.0),
            Unit::Percent => format!("{value:.0} %"),
            Unit::Bytes => trimmed(units::bytes(value as u64)),
            Unit::Celsius => format!("{value:.0} °C"),
            Unit::Watts => format!("{value:.0} W"),
        }
    }

    fn is_logarithmic(self) -> bool {
        self == Unit::Latency
    }
}

impl Axis {
    /// One for these values.
    pub fn new(unit: Unit, values: impl Iterator<Item = f64>) -> Axis {
        let finite = values.filter(|value| value.is_finite());
        let (least, most) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        if least > most {
            return Axis { low: 0.0, high: 1.0, logarithmic: false, ticks: vec![(0.0, unit.shown(0.0))] };
        }
        if unit.is_logarithmic() { Axis::decades(unit, least, most) } else { Axis::linear(unit, most) }
    }

    /// From zero, in steps of 1, 2 or 5.
    fn linear(unit: Unit, most: f64) -> Axis {
        const STEPS: f64 = 4.0;
        let limit = match unit {
            // What is a part of something is seen as one.
            Unit::Part => 1.0_f64.max(most),
            Unit::Percent => 100.0_f64.max(most),
            _ if most > 0.0 => most,
            _ => 1.0,
        };
        let rough = limit / STEPS;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|n| n * magnitude).find(|step| *step >= rough * 0.999);
        // Half a message does not wait.
        let least = if unit == Unit::Messages { 1.0 } else { f64::MIN_POSITIVE };
        let step = step.unwrap_or(rough).max(least);
        let count = (limit / step).ceil().max(1.0);
        let high = step * count;
        let ticks = (0..=count as u32).map(|n| f64::from(n) * step).map(|value| (value, unit.shown(value))).collect();
        Axis { low: 0.0, high, logarithmic: false, ticks }
    }

    /// Each decade as high as the next, with 1, 2 and 5 where there are few.
    pub fn decades(unit: Unit, least: f64, most: f64) -> Axis {
        const MOST: usize = 10;
        let (least, most) = (least.max(1.0), most.max(1.0));
        let (low, high) = (least / 1.15, most * 1.15);
        let decades = (high / low).log10();
        let steps: &[f64] = match decades {
            d if d < 1.2 => &[1.0, 2.0, 3.0, 5.0, 7.0],
            d if d < 2.5 => &[1.0, 2.0, 5.0],
            d if d < 4.5 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let first = low.log10().floor() as i32;
        let all = (first..=high.log10().ceil() as i32).flat_map(|d| steps.iter().map(move |n| n * 10_f64.powi(d)));
        let within: Vec<f64> = all.filter(|value| (low..=high).contains(value)).collect();
        let every = within.len().div_ceil(MOST).max(1);
        let ticks = within.into_iter().step_by(every).map(|value| (value, unit.shown(value))).collect();
        Axis { low, high, logarithmic: true, ticks }
    }

    /// How high a value is, from 0 to 1.
    pub fn height(&self, value: f64) -> f64 {
        let height = match self.logarithmic {
            true => (value.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        if height.is_finite() { height.clamp(0.0, 1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(unit: Unit, values: &[f64]) -> Vec<String> {
        Axis::new(unit, values.iter().copied()).ticks.into_iter().map(|(_, shown)| shown).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(Unit::PerSecond, &[0.0, 93_000.0]), ["0", "25 k", "50 k", "75 k", "100 k"]);
        assert_eq!(ticks(Unit::Messages, &[3.0]), ["0", "1", "2", "3"]);
        assert_eq!(ticks(Unit::Messages, &[1.0]), ["0", "1"]);
        assert_eq!(ticks(Unit::Part, &[0.1]), ["0 %", "25 %", "50 %", "75 %", "100 %"]);
        assert_eq!(ticks(Unit::Latency, &[900.0, 21_000.0]), ["1 µs", "2 µs", "5 µs", "10 µs", "20 µs"]);
        assert_eq!(ticks(Unit::PerSecond, &[]), ["0"]);
        assert_eq!(ticks(Unit::PerSecond, &[0.0]).first().map(String::as_str), Some("0"));
    }

    #[test]
    fn every_value_has_its_place() {
        for unit in [Unit::Latency, Unit::PerSecond, Unit::Part, Unit::Bytes] {
            for values in [&[0.0][..], &[1.0], &[5.0, 5.0], &[1e18, 2e-9], &[f64::NAN, 3.0], &[f64::INFINITY]] {
                let axis = Axis::new(unit, values.iter().copied());
                assert!(!axis.ticks.is_empty() || unit == Unit::Latency, "{unit:?} {values:?}");
                assert!(axis.ticks.len() < 12, "{unit:?} {values:?} {axis:?}");
                let heights = values.iter().map(|value| axis.height(*value));
                assert!(heights.into_iter().all(|height| (0.0..=1.0).contains(&height)), "{unit:?} {values:?}");
            }
        }
    }
}
