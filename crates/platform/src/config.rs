//! Configuration: a TOML file, overridden by the environment, checked as a whole.
//!
//! `booking.listen` is `listen` in the table `[booking]` of the file, and
//! `MARQUEE_BOOKING__LISTEN` in the environment: two underscores stand for a dot. A value from the
//! environment that begins with `[` or `{` is read as TOML, so lists can be given too. Some
//! customary variables have the last word: `DATABASE_URL`, `REDIS_URL`, `AMQP_URL`, and those of
//! OpenTelemetry, `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_SERVICE_NAME`. An empty one says nothing.
//!
//! Messages name the field and how to set it, and never show a value, which may be a secret.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use ::config::Value;
use garde::Validate;
use serde::{Deserialize, de::DeserializeOwned};
use toml::Table;

/// Before every variable that sets a field.
const PREFIX: &str = "MARQUEE_";
/// Between the parts of a field's path, in variables.
const SEPARATOR: &str = "__";
/// Variables that other tools use for the same things.
const CUSTOMARY: [(&str, &str); 5] = [
    ("DATABASE_URL", "pg.url"),
    ("REDIS_URL", "redis.url"),
    ("AMQP_URL", "rabbit.url"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.traces.endpoint"),
    ("OTEL_SERVICE_NAME", "telemetry.traces.service_name"),
];

/// The configuration cannot be used. The text tells what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not valid TOML: line {line}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// Fields are unknown, missing, or have values that cannot work.
    #[error("the configuration cannot be used:{}", list(fields))]
    Fields {
        /// All of them, as far as they can be told.
        fields: Vec<FieldError>,
    },
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Such as `booking.listen`; empty for the whole.
    pub path: String,
    /// What is wrong, without the value.
    pub problem: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, problem } = self;
        if path.is_empty() {
            return write!(f, "{problem}");
        }
        write!(f, "{path}: {problem}")?;
        // An unknown field in a table is reported for the table, which nobody can set.
        if problem.starts_with("unknown field") {
            return Ok(());
        }
        write!(f, " (set ")?;
        if let Some((name, _)) = CUSTOMARY.iter().find(|(_, field)| field == path) {
            write!(f, "{name} or ")?;
        }
        // Elements of lists are set with their list.
        let field = path.split('[').next().unwrap_or(path);
        write!(f, "{}", variable(field))?;
        match field.rsplit_once('.') {
            Some((table, key)) => write!(f, ", or `{key}` in [{table}] of the file)"),
            None => write!(f, ", or `{field}` in the file)"),
        }
    }
}

fn list(fields: &[FieldError]) -> String {
    fields.iter().map(|field| format!("\n  {field}")).collect()
}

/// The variable that sets the field at `path`.
fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', SEPARATOR).to_uppercase())
}

/// Loads the configuration of this process from `file`, if any, and the environment.
///
/// `T` is a struct with `#[serde(default, deny_unknown_fields)]` that derives `garde::Validate`.
///
/// # Errors
/// [`ConfigError`], to be shown to whoever started the process.
pub fn load<T>(file: Option<&Path>) -> Result<T, ConfigError>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    load_from(file, std::env::vars())
}

/// Like [`load`], with these variables instead of the environment.
///
/// # Errors
/// [`ConfigError`].
pub fn load_from<T>(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    let mut table = file.map_or_else(|| Ok(Table::new()), read)?;
    for (path, value) in settings(variables) {
        set(&mut table, &path, value)?;
    }
    let value = Value::deserialize(toml::Value::Table(table))
        .map_err(|error| one_field(String::new(), error.message().to_owned()))?;
    let config: T = value.try_deserialize().map_err(explain)?;
    config.validate().map_err(|report| ConfigError::Fields {
        fields: report
            .iter()
            .map(|(path, error)| FieldError { path: path.to_string(), problem: error.message().to_owned() })
            .collect(),
    })?;
    Ok(config)
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    // The error's own text would quote the line, and with it perhaps a secret.
    text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
        path: path.to_owned(),
        line: error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.matches('\n').count() + 1),
        problem: error.message().to_owned(),
    })
}

/// Paths and values that variables set, in the order in which they apply.
fn settings(variables: impl IntoIterator<Item = (String, String)>) -> impl Iterator<Item = (String, String)> {
    let mut settings: Vec<(usize, String, String)> = variables
        .into_iter()
        .filter_map(|(name, value)| {
            if let Some(rank) = CUSTOMARY.iter().position(|(known, _)| *known == name) {
                let (_, path) = CUSTOMARY.get(rank).filter(|_| !value.is_empty())?;
                return Some((rank + 1, (*path).to_owned(), value));
            }
            let field = name.strip_prefix(PREFIX)?;
            // Other variables of ours (of tests, say) have no table.
            field.contains(SEPARATOR).then(|| (0, field.to_lowercase().replace(SEPARATOR, "."), value))
        })
        .collect();
    settings.sort();
    settings.into_iter().map(|(_, path, value)| (path, value))
}

/// Sets the field at `path`, making tables on the way.
fn set(table: &mut Table, path: &str, value: String) -> Result<(), ConfigError> {
    let mut parts: Vec<&str> = path.split('.').collect();
    let last = parts.pop().unwrap_or(path);
    let mut table = table;
    for (depth, part) in parts.iter().enumerate() {
        table = table
            .entry(*part)
            .or_insert_with(|| toml::Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| {
                let path = parts.get(..=depth).unwrap_or_default().join(".");
                one_field(path, "expected a table".to_owned())
            })?;
    }
    let value = if value.starts_with(['[', '{']) {
        // Through a document, because that is what the parser takes.
        let document: Table = format!("value = {value}").parse().map_err(|error: toml::de::Error| {
            let problem = format!("is not a TOML value: {}", error.message());
            one_field(path.to_owned(), problem)
        })?;
        document.into_iter().next().map_or_else(|| toml::Value::String(String::new()), |(_, value)| value)
    } else {
        // Numbers and truth values are made of text where the field wants them.
        toml::Value::String(value)
    };
    table.insert(last.to_owned(), value);
    Ok(())
}

fn one_field(path: String, problem: String) -> ConfigError {
    ConfigError::Fields { fields: vec![FieldError { path, problem }] }
}

/// Says what is wrong without saying the value.
fn explain(error: ::config::ConfigError) -> ConfigError {
    use ::config::ConfigError as Source;

    let (path, problem) = match error {
        Source::NotFound(path) => (path, "is missing".to_owned()),
        Source::Type { expected, key, .. } => (key.unwrap_or_default(), format!("expected {expected}")),
        Source::At { error, key, .. } => (key.unwrap_or_default(), without_value(&error.to_string())),
        other => (String::new(), without_value(&other.to_string())),
    };
    one_field(path, problem)
}

/// serde's messages are `invalid type: string "the value", expected …`.
fn without_value(message: &str) -> String {
    if message.starts_with("invalid ")
        && let Some((_, expected)) = message.rsplit_once(", expected ")
    {
        return format!("expected {expected}");
    }
    message.to_owned()
}

#[cfg(test)]
mod tests;
