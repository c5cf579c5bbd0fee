//! What many measurements say: medians and spreads, percentiles.

use serde::Serialize;

/// The median of paired measurements, and the quartiles beside it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Spread {
    /// Sorts at least one value.
    pub fn from_values(mut values: Vec<f64>) -> Spread {
        values.sort_unstable_by(f64::total_cmp);
        let at = |q: usize| values[(values.len() - 1) * q / 4];
        Spread { median: at(2), low: at(1), high: at(3) }
    }

    /// `0.998 [0.990, 1.004]`.
    pub fn show(&self, decimals: usize) -> String {
        let Spread { median, low, high } = self;
        format!("{median:.decimals$} [{low:.decimals$}, {high:.decimals$}]")
    }
}

/// Of many times, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Times {
    pub count: usize,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

impl Times {
    /// Sorts at least one time, in nanoseconds.
    pub fn from_ns(mut ns: Vec<u64>) -> Times {
        ns.sort_unstable();
        let at = |q: f64| ns[((ns.len() - 1) as f64 * q) as usize] as f64 / 1e3;
        Times { count: ns.len(), p50_us: at(0.5), p99_us: at(0.99), max_us: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_and_percentiles() {
        let spread = Spread::from_values(vec![5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(spread, Spread { median: 3.0, low: 2.0, high: 4.0 });
        assert_eq!(spread.show(1), "3.0 [2.0, 4.0]");
        assert_eq!(Spread::from_values(vec![7.0]), Spread { median: 7.0, low: 7.0, high: 7.0 });
        let times = Times::from_ns((0..=100).map(|n| n * 1000).rev().collect());
        assert_eq!(times, Times { count: 101, p50_us: 50.0, p99_us: 99.0, max_us: 100.0 });
    }
}
