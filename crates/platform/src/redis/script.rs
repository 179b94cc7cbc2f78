//! Lua scripts with their digest worked out beforehand.

use fred::bytes_utils::Str;
use sha1::{Digest, Sha1};

/// A Lua script. Make it once and keep it; clones share the text.
#[derive(Clone, Debug)]
pub struct Script {
    source: Str,
    sha: Str,
}

impl Script {
    /// A script from its source.
    #[must_use]
    pub fn new(source: &str) -> Self {
        let digest = Sha1::digest(source.as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { source: Str::from(source), sha: Str::from(hex) }
    }

    /// The digest that Redis knows the script by: 40 hexadecimal digits.
    #[must_use]
    pub fn sha(&self) -> Str {
        self.sha.clone()
    }

    /// The text.
    #[must_use]
    pub fn source(&self) -> Str {
        self.source.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_the_one_redis_uses() {
        // From the documentation of fred's `Script`.
        assert_eq!(&*Script::new("return ARGV[1]").sha(), "098e0f0d1448c0a81dafe820f66d460eb09263da");
    }
}
