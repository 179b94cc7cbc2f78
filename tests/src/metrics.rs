//! What a process tells Prometheus.

use std::collections::BTreeSet;

use xtask::deploy::base;

use crate::{Stack, http};

/// One reading of `/metrics`: a line for each series.
#[derive(Debug)]
pub struct Metrics(String);

impl Stack {
    /// What the process with this role tells now.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn metrics(&self, role: &str) -> Metrics {
        let text = http::get(&format!("{}/metrics", self.ops(role))).await.text().await;
        Metrics(text.unwrap_or_else(|error| panic!("the metrics of {role} cannot be read: {error}")))
    }
}

impl Metrics {
    /// The names of all metrics; of a histogram, what its series have in common.
    pub fn names(&self) -> BTreeSet<&str> {
        self.series().map(|(name, ..)| base(name)).collect()
    }

    /// The sum of the series of a metric that have all of these labels; `None` when there are none.
    pub fn sum(&self, metric: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |own: &str| labels.iter().all(|(name, value)| own.contains(&format!("{name}=\"{value}\"")));
        let values: Vec<f64> = self
            .series()
            .filter(|(name, own, _)| *name == metric && has(own))
            .filter_map(|(.., value)| value.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Name, labels and value of each series.
    fn series(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name, labels, value))
        })
    }
}
