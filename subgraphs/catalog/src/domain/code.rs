//! Closed sets of values that databases and data files know by a code.

/// The code stands for nothing that this program knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{code}` is no {what}; use one of {known}")]
pub struct UnknownCode {
    /// What was wanted.
    pub what: &'static str,
    /// What came.
    pub code: String,
    /// What could have come.
    pub known: String,
}

/// Declares an enum whose values have codes: `as_str`, `ALL`, `FromStr`, serde by code.
macro_rules! coded {
    ($(#[$doc:meta])* $name:ident($what:literal) { $($(#[$variant_doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $code)] $variant,)* }

        impl $name {
            /// Every value, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::UnknownCode;

            fn from_str(code: &str) -> Result<Self, Self::Err> {
                match code {
                    $($code => Ok(Self::$variant),)*
                    _ => Err($crate::domain::UnknownCode {
                        what: $what,
                        code: code.to_owned(),
                        known: [$($code),*].join(", "),
                    }),
                }
            }
        }
    };
}
pub(crate) use coded;
