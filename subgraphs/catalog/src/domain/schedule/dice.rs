//! Repeatable chance.

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): tiny,
/// well mixed from any seed, and the same for ever, which a library's generator does not promise.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice that fall the same way each time for the same `parts`.
    pub(super) fn new(parts: impl IntoIterator<Item = u64>) -> Self {
        let mut dice = Self(0);
        for part in parts {
            dice.0 = dice.next() ^ part;
        }
        dice
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which must not be zero.
    pub(super) const fn below(&mut self, limit: u64) -> u64 {
        // The bias for limits this small is far below what anybody could see.
        self.next() % limit
    }

    /// True in `percent` of a hundred cases.
    pub(super) const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Above 0 and at most 1.
    pub(super) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }
}

/// The two halves of a UUID.
pub(super) fn halves(uuid: uuid::Uuid) -> [u64; 2] {
    let (high, low) = uuid.as_u64_pair();
    [high, low]
}
