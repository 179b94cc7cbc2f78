//! Why an input was refused.

/// One field of an input that breaks a rule. The message is for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The field's name in the GraphQL input.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Invalid {
    /// `field` is refused because of `message`.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

/// Gathers the refusals of many fields, so that a form shows all of them at once.
#[derive(Debug, Default)]
pub struct Report(Vec<Invalid>);

impl Report {
    /// The value of an accepted field; a refused one is noted and gives `None`.
    pub fn accept<T>(&mut self, parsed: Result<T, Invalid>) -> Option<T> {
        parsed.map_err(|invalid| self.0.push(invalid)).ok()
    }

    /// Like [`accept`](Self::accept) for a field that may be left out.
    pub fn accept_optional<T>(&mut self, parsed: Option<Result<T, Invalid>>) -> Option<T> {
        parsed.and_then(|parsed| self.accept(parsed))
    }

    /// Everything that was refused.
    pub fn into_refusals(self) -> Vec<Invalid> {
        self.0
    }

    /// Fails when anything was refused.
    pub fn finish(self) -> Result<(), Vec<Invalid>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}
