//! Languages and time zones.

use super::Invalid;

/// A language tag of the shape `language[-Script][-REGION]` of BCP 47, in canonical case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locale(String);

impl Locale {
    /// Checks the shape and fixes the case of `text`; whether the language exists is not checked,
    /// as an unknown one only means that texts come in the default language.
    ///
    /// # Errors
    /// The text has another shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        canonical(text.trim())
            .map(Self)
            .ok_or_else(|| Invalid::new("locale", "give a language tag such as \"en\" or \"pt-BR\""))
    }

    /// The locale of a row, which was checked when it was written.
    pub(crate) const fn from_db(text: String) -> Self {
        Self(text)
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Locale {
    fn default() -> Self {
        Self("en".to_owned())
    }
}

fn canonical(tag: &str) -> Option<String> {
    let letters = |part: &str| part.bytes().all(|c| c.is_ascii_alphabetic());
    let mut parts = tag.split('-').peekable();
    let language = parts.next().filter(|p| matches!(p.len(), 2..=3) && letters(p))?;
    let mut out = language.to_ascii_lowercase();
    if let Some(script) = parts.next_if(|p| p.len() == 4 && letters(p)) {
        let (first, rest) = script.split_at(1);
        out.push('-');
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(&rest.to_ascii_lowercase());
    }
    let is_region =
        |p: &str| (p.len() == 2 && letters(p)) || (p.len() == 3 && p.bytes().all(|c| c.is_ascii_digit()));
    if let Some(region) = parts.next_if(|p| is_region(p)) {
        out.push('-');
        out.push_str(&region.to_ascii_uppercase());
    }
    parts.next().is_none().then_some(out)
}

/// A name from the IANA time zone database, such as `Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone(String);

impl TimeZone {
    /// Checks `text` against the database.
    ///
    /// # Errors
    /// No zone has this name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text.trim()
            .parse::<chrono_tz::Tz>()
            .map(|zone| Self(zone.name().to_owned()))
            .map_err(|_| Invalid::new("timeZone", "give a time zone name such as \"Europe/Berlin\""))
    }

    /// The zone of a row, which was checked when it was written.
    pub(crate) const fn from_db(text: String) -> Self {
        Self(text)
    }

    /// The zone's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_get_canonical_case() {
        for (input, expect) in [
            ("en", Some("en")),
            (" EN ", Some("en")),
            ("pt-br", Some("pt-BR")),
            ("ZH-hant-tw", Some("zh-Hant-TW")),
            ("es-419", Some("es-419")),
            ("fil", Some("fil")),
            ("", None),
            ("e", None),
            ("english", None),
            ("en_US", None),
            ("en-", None),
            ("en-US-x-private", None),
            ("日本", None),
        ] {
            let parsed = Locale::parse(input).ok();
            assert_eq!(parsed.as_ref().map(Locale::as_str), expect, "{input:?}");
        }
    }

    #[test]
    fn only_real_zones_pass() {
        assert_eq!(TimeZone::parse("Europe/Berlin").unwrap().as_str(), "Europe/Berlin");
        for text in ["", "Berlin", "Mars/Olympus", "+02:00"] {
            assert!(TimeZone::parse(text).is_err(), "{text:?}");
        }
    }
}
