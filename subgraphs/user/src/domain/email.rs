//! Email addresses, in the one form in which they are compared and stored.

use std::fmt;

use super::Invalid;

/// A normalised address: white space around it removed, the local part in lower case, the domain
/// in its ASCII form (IDNA), so that two spellings of one mailbox are equal as bytes.
///
/// RFC 5321 leaves the case of the local part to the receiver; no provider of note distinguishes
/// it, and two accounts that differ in case only would be a trap for people. The local part is
/// limited to the dot-string form of RFC 5321 section 4.1.2: quoted and internationalised local
/// parts cannot be relied on to be deliverable.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// RFC 5321 section 4.5.3.1.1: octets of the local part.
    const MAX_LOCAL: usize = 64;
    /// RFC 5321 section 4.5.3.1.3: a path is at most 256 octets, two of them the angle brackets.
    const MAX: usize = 254;

    /// Normalises and checks `text`.
    ///
    /// # Errors
    /// The text is no address that mail can be sent to.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = || Invalid::new("email", "not an email address");
        let text = text.trim();
        if text.len() > 4 * Self::MAX {
            return Err(refuse());
        }
        let (local, domain) = text.rsplit_once('@').ok_or_else(refuse)?;
        if !is_dot_string(local) || local.len() > Self::MAX_LOCAL {
            return Err(refuse());
        }
        let domain = ascii_domain(domain).ok_or_else(refuse)?;
        let email = format!("{}@{domain}", local.to_ascii_lowercase());
        if email.len() > Self::MAX {
            return Err(refuse());
        }
        Ok(Self(email))
    }

    /// The address of a row, which was normalised when it was written.
    pub(crate) const fn from_db(text: String) -> Self {
        Self(text)
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `@`.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or(&*self.0, |(local, _)| local)
    }
}

/// Personal data: never shown by `{:?}`, which ends up in logs.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// `atext` runs joined by single dots.
fn is_dot_string(local: &str) -> bool {
    let is_atext = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&c);
    local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// The ASCII form of a public domain name: at least two labels, not an IP address.
fn ascii_domain(domain: &str) -> Option<String> {
    // The URL rules would decode percent escapes and drop a final dot; an address has neither.
    if domain.contains('%') || domain.ends_with('.') {
        return None;
    }
    match url::Host::parse(domain).ok()? {
        url::Host::Domain(ascii) => {
            ascii.split('.').all(is_label).then_some(ascii).filter(|ascii| ascii.contains('.'))
        }
        url::Host::Ipv4(_) | url::Host::Ipv6(_) => None,
    }
}

/// A host name label of RFC 1123 section 2.1.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(input: &str, expect: Option<&str>) {
        assert_eq!(Email::parse(input).ok().as_ref().map(Email::as_str), expect, "{input:?}");
    }

    #[test]
    fn spellings_of_one_mailbox_are_equal() {
        check("ada@example.com", Some("ada@example.com"));
        check("  Ada@Example.COM\n", Some("ada@example.com"));
        check("ada+films@example.com", Some("ada+films@example.com"));
        check("o'neil@sub.example.co.uk", Some("o'neil@sub.example.co.uk"));
        check("kino@münchen.example", Some("kino@xn--mnchen-3ya.example"));
        check("kino@MÜNCHEN.example", Some("kino@xn--mnchen-3ya.example"));
    }

    #[test]
    fn what_mail_cannot_be_sent_to_is_refused() {
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@example",
            "ada@localhost",
            "ada@@example.com",
            "ada@b@example.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..da@example.com",
            "a da@example.com",
            "\"a da\"@example.com",
            "ada@example.com.",
            "ada@example..com",
            "ada@-example.com",
            "ada@exa_mple.com",
            "ada@ex%61mple.com",
            "ada@127.0.0.1",
            "ada@[::1]",
            "ådå@example.com",
            "ada@example.com\r\nBcc: all@example.com",
            "Ada <ada@example.com>",
            "ada\0@example.com",
        ] {
            check(text, None);
        }
        check(&format!("{}@example.com", "a".repeat(65)), None);
        check(&format!("a@{}.com", "b.".repeat(130)), None);
        check(&format!("a@{}.com", "b".repeat(64)), None);
    }

    #[test]
    fn debug_shows_nothing_personal() {
        let email = Email::parse("ada@example.com").unwrap();
        assert!(!format!("{email:?}").contains("ada"));
    }

    proptest! {
        #[test]
        fn parsing_is_idempotent_and_never_panics(text in "\\PC{0,20}@?\\PC{0,20}(\\.com)?") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()).unwrap(), email);
            }
        }
    }
}
