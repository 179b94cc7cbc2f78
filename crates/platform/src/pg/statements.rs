//! What is measured of each statement, and what traces show of it: never a value.

use metrics::Histogram;
use opentelemetry::KeyValue;
use sea_orm::metric::Info;

use crate::telemetry::{is_traced, record_call};

/// What a statement does, as its first word tells.
const KINDS: [(&str, &str); 5] = [
    ("select", "select"),
    ("insert", "insert"),
    ("update", "update"),
    ("delete", "delete"),
    // Several of those in one.
    ("with", "compound"),
];
/// Tables that the name of a span mentions; a statement of ours changes hardly more.
const MENTIONED: usize = 6;

/// How long statements take, by kind. Made once, so that measuring allocates nothing.
pub(super) struct Statements {
    kinds: [Histogram; KINDS.len()],
    other: Histogram,
}

impl Statements {
    pub(super) fn new() -> Self {
        let histogram = |kind: &'static str| metrics::histogram!("postgres_query_seconds", "kind" => kind);
        Self { kinds: KINDS.map(|(_, kind)| histogram(kind)), other: histogram("other") }
    }

    /// Takes note of a statement that has just ended.
    pub(super) fn observe(&self, info: &Info<'_>) {
        let sql = &info.statement.sql;
        let word = sql.split_ascii_whitespace().next().unwrap_or_default();
        let kind = KINDS.iter().position(|(first, _)| word.eq_ignore_ascii_case(first));
        kind.and_then(|kind| self.kinds.get(kind)).unwrap_or(&self.other).record(info.elapsed);
        if is_traced() {
            let summary = summary(sql);
            let attributes = vec![
                KeyValue::new("db.system.name", "postgresql"),
                KeyValue::new("db.query.summary", summary.clone()),
            ];
            record_call(summary, info.elapsed, info.failed, attributes);
        }
    }
}

/// What a statement does to which tables, as OpenTelemetry names spans of databases
/// (<https://opentelemetry.io/docs/specs/semconv/database/database-spans/#generating-a-summary-of-the-query>):
/// `INSERT booking.bookings INSERT booking.outbox`. Of one that changes nothing, what it reads.
fn summary(sql: &str) -> String {
    let mut words = sql
        .split(|char: char| char.is_whitespace() || matches!(char, '(' | ')' | ',' | ';'))
        .filter(|word| !word.is_empty());
    let mut changes: Vec<(&str, &str)> = Vec::new();
    let mut read: Option<&str> = None;
    let mut before = "";
    while let Some(word) = words.next() {
        let verb = if word.eq_ignore_ascii_case("into") {
            "INSERT"
        } else if word.eq_ignore_ascii_case("update") && !is_clause(before) {
            "UPDATE"
        } else if word.eq_ignore_ascii_case("join") {
            "SELECT"
        } else if word.eq_ignore_ascii_case("from") {
            if before.eq_ignore_ascii_case("delete") { "DELETE" } else { "SELECT" }
        } else {
            before = word;
            continue;
        };
        let Some(table) = words.next().filter(|table| is_table(table)) else { continue };
        before = table;
        if verb == "SELECT" {
            read.get_or_insert(table);
        } else if !changes.contains(&(verb, table)) {
            changes.push((verb, table));
        }
    }
    if changes.is_empty() {
        let first = || sql.split_ascii_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        return read.map_or_else(first, |table| format!("SELECT {}", plain(table)));
    }
    let named = changes.iter().take(MENTIONED).map(|(verb, table)| format!("{verb} {}", plain(table)));
    named.collect::<Vec<_>>().join(" ")
}

/// `for update`, `for no key update` and `do update` change no table.
fn is_clause(before: &str) -> bool {
    ["for", "key", "do"].iter().any(|word| before.eq_ignore_ascii_case(word))
}

/// Our tables are always named with their schema, unlike the parts of a statement.
fn is_table(word: &str) -> bool {
    word.contains('.') && !word.starts_with('$')
}

fn plain(table: &str) -> String {
    table.replace('"', "")
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn a_statement_is_named_by_what_it_does() {
        for (sql, name) in [
            ("select 1", "SELECT"),
            (
                "SELECT \"movies\".\"id\" FROM \"catalog\".\"movies\" WHERE \"id\" = $1",
                "SELECT catalog.movies",
            ),
            (
                "select * from booking.shows s join booking.sales using (show_id) for update",
                "SELECT booking.shows",
            ),
            ("insert into booking.inbox (key) values ($1) on conflict do nothing", "INSERT booking.inbox"),
            (
                "insert into booking.payments as p values ($1) on conflict do update set a = 1",
                "INSERT booking.payments",
            ),
            ("delete from booking.outbox using unnest($1) as sent", "DELETE booking.outbox"),
            (
                "with line as (select * from unnest($1::text[]) as l), booked as (insert into booking.bookings \
                 select 1 from line returning 1) insert into booking.outbox (key) values ($2)",
                "INSERT booking.bookings INSERT booking.outbox",
            ),
            (
                "with due as (select 1 from booking.holds for no key update skip locked) \
                 update booking.holds set status = $1",
                "UPDATE booking.holds",
            ),
            (
                "select p.id from unnest($1::uuid[]) as want(id) join booking.payments p using (id)",
                "SELECT booking.payments",
            ),
            ("set local lock_timeout = '1s'", "SET"),
            ("", ""),
        ] {
            assert_eq!(summary(sql), name, "{sql}");
        }
    }
}
