//! How far values lie apart.

use serde::Serialize;

/// Values in ascending order.
#[derive(Debug, Default)]
pub(super) struct Spread(Vec<u64>);

impl Spread {
    pub(super) fn add(&mut self, value: u64) {
        let place = self.0.partition_point(|other| *other <= value);
        self.0.insert(place, value);
    }

    /// The value that so many percent of all do not exceed.
    fn percentile(&self, percent: usize) -> Option<u64> {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied()
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Some((p50, p95, max)) = self.main() else { return "not measured".to_owned() };
        format!("p50 {p50} ms, p95 {p95} ms, max {max} ms ({} measured)", self.0.len())
    }

    /// The median, the 95th percentile and the greatest.
    fn main(&self) -> Option<(u64, u64, u64)> {
        Some((self.percentile(50)?, self.percentile(95)?, *self.0.last()?))
    }
}

impl Serialize for Spread {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Form {
            measured: usize,
            p50: u64,
            p95: u64,
            max: u64,
        }
        let form = self.main().map(|(p50, p95, max)| Form { measured: self.0.len(), p50, p95, max });
        form.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut spread = Spread::default();
        assert_eq!(spread.percentile(50), None);
        for value in (1..=20).rev() {
            spread.add(value);
        }
        assert_eq!(spread.main(), Some((10, 19, 20)));
    }
}
