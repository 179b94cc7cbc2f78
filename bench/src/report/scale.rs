//! Axes.

/// Maps values to places on an axis.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    least: f64,
    most: f64,
    is_log: bool,
    /// Pixels: where the least and the most are.
    pixels: (f64, f64),
}

/// Values that lie further apart than this are shown on a logarithmic axis.
const LOG_FROM: f64 = 50.0;

impl Scale {
    /// An axis from zero.
    pub fn from_zero(values: impl Iterator<Item = f64>, pixels: (f64, f64)) -> Self {
        let most = values.fold(0.0, f64::max).max(f64::EPSILON) * 1.1;
        Self { least: 0.0, most, is_log: false, pixels }
    }

    /// An axis from the least to the most, logarithmic when they lie far apart.
    pub fn fitting(values: impl Iterator<Item = f64> + Clone, pixels: (f64, f64)) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::NEG_INFINITY, f64::max).max(least + f64::EPSILON);
        Self { least, most, is_log: least > 0.0 && most / least > LOG_FROM, pixels }
    }

    /// Where a value is.
    pub fn place(&self, value: f64) -> f64 {
        let part = if self.is_log {
            (value / self.least).ln() / (self.most / self.least).ln()
        } else {
            (value - self.least) / (self.most - self.least)
        };
        self.pixels.0 + part.clamp(0.0, 1.0) * (self.pixels.1 - self.pixels.0)
    }

    /// Values to write at the axis.
    pub fn ticks(&self) -> Vec<f64> {
        const TICKS: u32 = 4;
        let part = |step: u32| f64::from(step) / f64::from(TICKS);
        let tick = |step| match self.is_log {
            true => self.least * (self.most / self.least).powf(part(step)),
            false => self.least + part(step) * (self.most - self.least),
        };
        (0..=TICKS).map(tick).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_values_are_placed_by_their_logarithms() {
        let near = Scale::fitting([0.0, 10.0].into_iter(), (0.0, 100.0));
        assert_eq!(near.place(5.0), 50.0);
        let far = Scale::fitting([1.0, 10_000.0].into_iter(), (0.0, 100.0));
        assert!((far.place(100.0) - 50.0).abs() < 1e-9);
        assert!((far.ticks()[2] - 100.0).abs() < 1e-9);
    }
}
