//! What people are called.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use super::Invalid;

/// The name that a person gave: any script, composed form (NFC), single spaces, on one line.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// In characters, after normalisation.
    pub const MAX: usize = 100;

    /// Normalises and checks `text`.
    ///
    /// # Errors
    /// The text is empty, too long, or holds characters that are not for reading.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let too_long = || Invalid::new("name", format!("a name has at most {} characters", Self::MAX));
        // Bounds the work below; no text that composes to MAX characters is longer than this.
        if text.len() > 64 * Self::MAX {
            return Err(too_long());
        }
        let name = text.split_whitespace().collect::<Vec<_>>().join(" ").nfc().collect::<String>();
        if !name.chars().any(char::is_alphanumeric) {
            return Err(Invalid::new("name", "give a name, with at least one letter"));
        }
        if name.chars().any(is_unreadable) {
            return Err(Invalid::new("name", "a name cannot have invisible or control characters"));
        }
        if name.chars().count() > Self::MAX {
            return Err(too_long());
        }
        Ok(Self(name))
    }

    /// The name of a row, which was normalised when it was written.
    pub(crate) const fn from_db(text: String) -> Self {
        Self(text)
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Personal data: never shown by `{:?}`, which ends up in logs.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(…)")
    }
}

/// Control characters, and the marks that reorder or hide text (bidirectional overrides, zero
/// width spaces, byte order mark, private use, tags). The zero width joiner and non-joiner stay:
/// names in Persian and in Indic scripts need them.
fn is_unreadable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}'
            | '\u{200B}'
            | '\u{200E}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{E000}'..='\u{F8FF}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFF}'
            | '\u{E0000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, expect: Option<&str>) {
        assert_eq!(Name::parse(input).ok().as_ref().map(Name::as_str), expect, "{input:?}");
    }

    #[test]
    fn any_script_is_a_name() {
        check("Ada Lovelace", Some("Ada Lovelace"));
        check("  Ada \t Lovelace\u{a0}\n", Some("Ada Lovelace"));
        check("李小龍", Some("李小龍"));
        check("Bjo\u{308}rk", Some("Björk"));
        check("می\u{200c}خواهم", Some("می\u{200c}خواهم"));
        check("O’Neil-Smith, Jr.", Some("O’Neil-Smith, Jr."));
    }

    #[test]
    fn empty_hidden_and_endless_names_are_refused() {
        for text in ["", "   ", "\u{3000}", "-", "🎬", "Ada\0", "Ada\u{202e}ecalevoL", "A\u{200b}da"] {
            check(text, None);
        }
        let longest = "ö".repeat(Name::MAX);
        check(&longest, Some(&longest));
        check(&"ö".repeat(Name::MAX + 1), None);
        check(&"a\u{308}".repeat(1_000_000), None);
    }
}
