//! What is kept and holds only as long as somebody says so, each time that it is given.
//!
//! Who answers names in [`VALIDATORS`] what the answer depends on, in texts of its own
//! ([`format()`], [`parse`]). Who keeps it cannot read them, and asks who can ([`Validators`]).

use std::fmt::Debug;

use futures::future::BoxFuture;

/// The header of an answer that everybody may share for as long as its validators hold: how old the rest of
/// it may be, then the validators. `Cache-Control` of such an answer says `no-store`, for whoever knows
/// nothing of this.
pub const VALIDATORS: &str = "x-validators";

const AGE: &str = "max-age=";
const SEPARATOR: &str = ", ";

/// Reads the validators of one subgraph.
pub trait Validators: Send + Sync {
    /// What has these validators; `None` when one of them is no text of that subgraph.
    fn read(&self, validators: &[String]) -> Option<Box<dyn Validator>>;
}

/// Something that was answered once.
pub trait Validator: Debug + Send + Sync {
    /// Whether the same would be answered now. False also when nobody can tell.
    fn holds(&self) -> BoxFuture<'_, bool>;
}

/// The value of [`VALIDATORS`]. Validators have no commas.
#[must_use]
pub fn format(seconds: u32, validators: &[String]) -> String {
    [format!("{AGE}{seconds}")]
        .iter()
        .chain(validators)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(SEPARATOR)
}

/// What a value of [`VALIDATORS`] says: for how many seconds at most, and the validators, of which there is
/// at least one.
#[must_use]
pub fn parse(value: &str) -> Option<(u32, Vec<String>)> {
    let mut parts = value.split(SEPARATOR);
    let seconds = parts.next()?.strip_prefix(AGE)?.parse().ok()?;
    let validators: Vec<_> = parts.map(str::to_owned).collect();
    let whole = seconds > 0 && !validators.is_empty() && validators.iter().all(|text| !text.is_empty());
    whole.then_some((seconds, validators))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read() {
        let validators = ["a:1".to_owned(), "b:2".to_owned()];
        assert_eq!(format(30, &validators), "max-age=30, a:1, b:2");
        assert_eq!(parse("max-age=30, a:1, b:2"), Some((30, validators.to_vec())));
        for nothing in
            ["", "a:1", "max-age=30", "max-age=0, a:1", "max-age=x, a:1", "max-age=30, ", "a:1, max-age=30"]
        {
            assert_eq!(parse(nothing), None, "{nothing}");
        }
    }
}
