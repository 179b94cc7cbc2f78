//! Booking references: codes that people read out at the box office or on the phone.

use std::fmt;

/// Digits and letters without those that are mistaken for another: no 0, 1, I, O.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const LENGTH: usize = 7;

/// A reference such as `K7MPQ2X`: 35 random bits, unique within its show.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference(String);

impl Reference {
    /// Makes one of the low 35 bits of a random number.
    pub fn from_random(bits: u64) -> Self {
        let code = (0..LENGTH)
            .map(|at| {
                let index = (bits >> (5 * at)) & 31;
                char::from(ALPHABET[usize::try_from(index).unwrap_or_default()])
            })
            .collect();
        Self(code)
    }

    /// Reads what a person typed: upper or lower case, with spaces or dashes.
    pub fn parse(text: &str) -> Option<Self> {
        let code: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let valid = code.len() == LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte));
        valid.then_some(Self(code))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn people_may_type_it_as_they_like() {
        assert_eq!(Reference::parse("k7m-pq2x").unwrap().as_str(), "K7MPQ2X");
        assert_eq!(Reference::parse(" K7MP Q2X ").unwrap().as_str(), "K7MPQ2X");
        for wrong in ["", "K7MPQ2", "K7MPQ2X8", "O7MPQ2X", "K1MPQ2X", "K7MPQ2é"] {
            assert_eq!(Reference::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_number_makes_a_code_that_parses(bits: u64) {
            let reference = Reference::from_random(bits);
            prop_assert_eq!(Reference::parse(reference.as_str()), Some(reference));
        }

        #[test]
        fn different_bits_make_different_codes(a in 0_u64..1 << 35, b in 0_u64..1 << 35) {
            prop_assert_eq!(a == b, Reference::from_random(a) == Reference::from_random(b));
        }
    }
}
