//! The catalog against a real PostgreSQL, through its schema.
#![cfg(test)]

mod browse;
mod kept;
mod limits;
mod schedule;
mod search;
mod seed;
mod support;
