//! The names of metrics in expressions of PromQL.
//!
//! A tokeniser and no parser: enough to tell names of metrics from functions, operators and labels.
//! The language: <https://prometheus.io/docs/prometheus/latest/querying/basics/>.

use std::{collections::BTreeSet, iter::Peekable, str::Chars};

/// What labels follow, in parentheses.
const OF_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Operators, and aggregations, which `by` may follow rather than a parenthesis.
const WORDS: [&str; 23] = [
    "and",
    "or",
    "unless",
    "atan2",
    "bool",
    "offset",
    "inf",
    "nan",
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
    "limitk",
    "limit_ratio",
    "start",
];

/// The metrics that `expression` reads, as it names them.
pub fn metrics(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut chars = expression.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' | '\'' | '`' => skip_string(&mut chars, char),
            '{' => skip_until(&mut chars, '}'),
            '[' => skip_until(&mut chars, ']'),
            '#' => drop(chars.by_ref().find(|char| *char == '\n')),
            // Numbers and durations; variables of Grafana.
            '0'..='9' | '$' => drop(word(&mut chars)),
            'a'..='z' | 'A'..='Z' | '_' | ':' => {
                let name = format!("{char}{}", word(&mut chars));
                while chars.next_if(|char| char.is_whitespace()).is_some() {}
                let parenthesis = chars.peek() == Some(&'(');
                if OF_LABELS.contains(&name.as_str()) {
                    if parenthesis {
                        skip_until(&mut chars, ')');
                    }
                } else if !parenthesis && !WORDS.contains(&name.as_str()) {
                    names.insert(name);
                }
            }
            _ => {}
        }
    }
    names
}

fn word(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(char) = chars.next_if(|char| char.is_ascii_alphanumeric() || ['_', ':'].contains(char)) {
        word.push(char);
    }
    word
}

fn skip_string(chars: &mut Peekable<Chars<'_>>, quote: char) {
    while let Some(char) = chars.next() {
        match char {
            '\\' if quote != '`' => drop(chars.next()),
            char if char == quote => return,
            _ => {}
        }
    }
}

fn skip_until(chars: &mut Peekable<Chars<'_>>, end: char) {
    while let Some(char) = chars.next() {
        match char {
            '"' | '\'' | '`' => skip_string(chars, char),
            char if char == end => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expect: &[&str]) {
        assert_eq!(
            metrics(expression).iter().map(String::as_str).collect::<Vec<_>>(),
            expect,
            "{expression}"
        );
    }

    #[test]
    fn names_of_metrics_are_told_from_everything_else() {
        check("redis_away == 1", &["redis_away"]);
        check(r#"sum by (queue, le) (rate(age_bucket{queue="a}b", x!~"y"}[5m])) > 1e3"#, &["age_bucket"]);
        check("max(a:b:c) without (x) / on () group_left (y) d offset 1h", &["a:b:c", "d"]);
        check(r#"label_replace(up{job="m"} == 1, "role", "worker", "", "") or vector(0)"#, &["up"]);
        check("topk(10, histogram_quantile(0.99, sum by (le) (x_bucket)))", &["x_bucket"]);
        check("sum(increase(jobs[$__rate_interval])) # of jobs\n unless other", &["jobs", "other"]);
        check("$window * time() - max(a) and b", &["a", "b"]);
    }
}
