//! `WHERE` clauses of optional parts.

use sea_orm::Value;

/// Clauses that must all hold, with their parameters. Only what is asked for ends up in the SQL,
/// so that the planner sees which index helps.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    clauses: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// Adds a parameter; gives its placeholder.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Adds a clause.
    pub(super) fn push(&mut self, clause: impl Into<String>) {
        self.clauses.push(clause.into());
    }

    /// Adds the clause `left $n`, where `$n` is `value`.
    pub(super) fn compare(&mut self, left: &str, value: impl Into<Value>) {
        let placeholder = self.bind(value);
        self.push(format!("{left} {placeholder}"));
    }

    /// All clauses, for after `WHERE`.
    pub(super) fn sql(&self) -> String {
        if self.clauses.is_empty() { "true".to_owned() } else { self.clauses.join(" AND ") }
    }

    /// The parameters, in order.
    pub(super) fn into_values(self) -> Vec<Value> {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_count_up_over_all_clauses() {
        let mut conditions = Conditions::default();
        assert_eq!(conditions.sql(), "true");
        conditions.compare("a =", 1);
        let (from, to) = (conditions.bind(2), conditions.bind(3));
        conditions.push(format!("b BETWEEN {from} AND {to}"));
        assert_eq!(conditions.sql(), "a = $1 AND b BETWEEN $2 AND $3");
        assert_eq!(conditions.into_values().len(), 3);
    }
}
