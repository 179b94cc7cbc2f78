//! Answers of scripts: a word, then what belongs to it.

use std::fmt::Debug;

use bytes::Bytes;
use fred::{
    error::{Error, ErrorKind},
    types::Value,
};
use platform::redis::RedisError;

/// The answer of a script.
#[derive(Debug)]
pub(in crate::store) struct Reply {
    values: Vec<Value>,
}

impl Reply {
    pub(in crate::store) fn new(value: Value) -> Self {
        Self { values: value.into_array() }
    }

    /// The first word, which says how to read the rest.
    pub(in crate::store) fn word(&self) -> Result<&str, RedisError> {
        match self.values.first() {
            Some(Value::String(word)) => Ok(word),
            other => Err(unexpected("a word", other)),
        }
    }

    pub(super) fn text(&self, at: usize) -> Result<&str, RedisError> {
        match self.values.get(at) {
            Some(Value::String(text)) => Ok(text),
            other => Err(unexpected("text", other)),
        }
    }

    /// A whole number; scripts give large ones as text.
    pub(super) fn number(&self, at: usize) -> Result<i64, RedisError> {
        let number = match self.values.get(at) {
            Some(Value::Integer(number)) => Some(*number),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| unexpected("a number", self.values.get(at)))
    }

    pub(super) fn flag(&self, at: usize) -> Result<bool, RedisError> {
        Ok(self.number(at)? == 1)
    }

    pub(super) fn letter(&self, at: usize) -> Result<char, RedisError> {
        self.text(at)?.chars().next().ok_or_else(|| unexpected("a letter", ""))
    }

    pub(super) fn bytes(&self, at: usize) -> Result<Bytes, RedisError> {
        let bytes = self.values.get(at).cloned().and_then(Value::into_bytes);
        bytes.ok_or_else(|| unexpected("a string", self.values.get(at)))
    }

    /// The texts from `at` on.
    pub(super) fn texts(&self, at: usize) -> Result<Vec<&str>, RedisError> {
        (at..self.values.len()).map(|at| self.text(at)).collect()
    }

    /// This answer is none that the caller knows.
    pub(in crate::store) fn unknown(&self) -> RedisError {
        unexpected("an answer of a script", &self.values)
    }
}

/// Redis said something else than the scripts do: somebody tampered with keys, or a bug.
pub(super) fn unexpected(wanted: &str, found: impl Debug) -> RedisError {
    RedisError::Command(Error::new(ErrorKind::Protocol, format!("expected {wanted}, got {found:?}")))
}
