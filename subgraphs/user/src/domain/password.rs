//! Which passwords are good enough. Hashing is in `app::passwords`.

use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

use super::{Email, Invalid};

/// One word per line, lower case; the head of the public lists of leaked passwords that are long
/// enough to pass the length rule.
const COMMON: &str = include_str!("common_passwords.txt");

/// A password as a person typed it, in the form in which it is hashed (NFKC, as NIST SP 800-63B
/// section 3.1.1.2 advises, so that it does not matter which keyboard composed the characters).
#[derive(Debug, Clone)]
pub struct Password(SecretString);

impl Password {
    /// In characters.
    pub const MIN: usize = 8;
    /// In characters. Bounds the work of hashing, far above what any person types.
    pub const MAX: usize = 128;

    /// A password that someone claims to be theirs. No rule applies: rules may have been laxer
    /// when it was chosen. `None` if it is so long that it was never accepted.
    pub fn claimed(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret();
        // The cheap test comes first: a character has at most four bytes.
        if text.len() > 4 * Self::MAX || text.chars().count() > Self::MAX {
            return None;
        }
        Some(Self(text.nfkc().collect::<String>().into()))
    }

    /// A new password for the account of `email`; `field` is the input field that it came in.
    ///
    /// # Errors
    /// It is too short, too long, or among the first that an attacker tries.
    pub fn chosen(text: &SecretString, email: Option<&Email>, field: &'static str) -> Result<Self, Invalid> {
        let refuse = |message: String| Err(Invalid::new(field, message));
        let Some(password) = Self::claimed(text) else {
            return refuse(format!("a password has at most {} characters", Self::MAX));
        };
        let plain = password.expose();
        if plain.chars().count() < Self::MIN {
            return refuse(format!("a password has at least {} characters", Self::MIN));
        }
        let lower = plain.to_lowercase();
        if is_monotonous(&lower) || COMMON.lines().any(|common| common == lower) {
            return refuse("this password is too easy to guess".to_owned());
        }
        if email.is_some_and(|email| lower == email.as_str() || lower == email.local()) {
            return refuse("the email address cannot be the password".to_owned());
        }
        Ok(password)
    }

    /// The text, for hashing.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// One or two different characters over and over.
fn is_monotonous(text: &str) -> bool {
    let mut seen = [None; 2];
    text.chars().all(|c| {
        seen.iter_mut().any(|slot| {
            let known = slot.get_or_insert(c);
            *known == c
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(text: &str) -> Result<(), String> {
        let email = Email::parse("ada.lovelace@example.com").unwrap();
        Password::chosen(&text.into(), Some(&email), "password")
            .map(|_| ())
            .map_err(|invalid| invalid.message)
    }

    #[test]
    fn long_enough_and_not_obvious_passes() {
        for text in [
            "correct horse battery staple",
            "tr0ub4dor&3",
            "пароль-для-кино",
            "🎬🍿🎟️🪑🎞️🎥📽️🎫",
            &"ab1".repeat(42),
        ] {
            assert_eq!(choose(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn short_endless_and_obvious_is_refused() {
        for (text, why) in [
            ("", "at least 8"),
            ("1234567", "at least 8"),
            ("öäüßéèê", "at least 8"),
            (&*"x1y".repeat(43), "at most 128"),
            ("password", "easy to guess"),
            ("PassWord", "easy to guess"),
            ("ｐａｓｓｗｏｒｄ", "easy to guess"),
            ("aaaaaaaaaaaa", "easy to guess"),
            ("abababababab", "easy to guess"),
            ("Ada.Lovelace", "email address"),
            ("ada.lovelace@example.com", "email address"),
        ] {
            let message = choose(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }

    #[test]
    fn the_keyboard_that_composed_it_does_not_matter() {
        let composed = Password::claimed(&"pa\u{df}w\u{f6}rter".into()).unwrap();
        let decomposed = Password::claimed(&"pa\u{df}wo\u{308}rter".into()).unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
    }

    #[test]
    fn the_common_list_is_lower_case_and_reaches_the_minimum() {
        for line in COMMON.lines() {
            assert_eq!(line, line.to_lowercase());
            assert!(line.chars().count() >= Password::MIN, "{line}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let password = Password::claimed(&"correct horse".into()).unwrap();
        assert!(!format!("{password:?}").contains("horse"));
    }
}
