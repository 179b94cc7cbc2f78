//! The badge that says how full a show is.

/// How full a show is, roughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// At least half of the seats can be had.
    Available,
    /// Less than half.
    FillingFast,
    /// Less than 15 %.
    AlmostFull,
    /// None.
    SoldOut,
}

impl Availability {
    /// The badge for `available` of `total` seats. Blocked seats count among neither.
    pub const fn of(available: u32, total: u32) -> Self {
        let (available, total) = (available as u64, total as u64);
        if available == 0 {
            Self::SoldOut
        } else if available * 100 < total * 15 {
            Self::AlmostFull
        } else if available * 2 < total {
            Self::FillingFast
        } else {
            Self::Available
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn badges_change_at_half_at_fifteen_percent_and_at_none() {
        let check =
            |available, expected| assert_eq!(Availability::of(available, 200), expected, "{available}");
        check(200, Availability::Available);
        check(100, Availability::Available);
        check(99, Availability::FillingFast);
        check(30, Availability::FillingFast);
        check(29, Availability::AlmostFull);
        check(1, Availability::AlmostFull);
        check(0, Availability::SoldOut);
        assert_eq!(Availability::of(0, 0), Availability::SoldOut);
    }
}
