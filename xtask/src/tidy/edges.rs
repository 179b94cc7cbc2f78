//! Which crate may use which.

/// The crates of the workspace, with the crates that each may use.
const EDGES: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("events", &["kernel"]),
    ("qr", &[]),
    ("platform", &["events", "kernel"]),
    ("graphql-kit", &["platform", "events", "kernel"]),
    ("catalog", SUBGRAPH),
    ("booking", WITH_TICKETS),
    ("user", SUBGRAPH),
    ("notifications", WITH_TICKETS),
    ("gateway", &["platform", "kernel"]),
    // The schemas as SQL; the platform owns the tables that all services have.
    ("migrations", &["platform", "kernel"]),
    // A GraphQL client speaks to the outside only.
    ("client", &["kernel"]),
    (
        "marquee",
        &[
            "catalog",
            "booking",
            "user",
            "notifications",
            "gateway",
            "migrations",
            "client",
            "graphql-kit",
            "platform",
            "events",
            "kernel",
        ],
    ),
    // What stands for the world outside knows nothing of us.
    ("paysim", &[]),
    ("own-redis", &[]),
    ("xtask", &[]),
];

const SUBGRAPH: &[&str] = &["graphql-kit", "platform", "events", "kernel"];
/// They show tickets.
const WITH_TICKETS: &[&str] = &["graphql-kit", "platform", "events", "kernel", "qr"];

/// May use anything.
const FREE: [&str; 2] = ["tests", "bench"];

/// May be used by any crate's own tests, which need the tables, and servers that they can kill.
const FOR_TESTS: [&str; 2] = ["migrations", "own-redis"];

/// Why `from` may not use `to`, two crates of the workspace; `None` when it may.
pub(super) fn refusal(from: &str, to: &str, for_tests: bool) -> Option<String> {
    if FREE.contains(&from) || (for_tests && FOR_TESTS.contains(&to)) {
        return None;
    }
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == from) else {
        return Some(format!("the crate `{from}` is new: say in xtask/src/tidy/edges.rs what it may use"));
    };
    if allowed.contains(&to) {
        return None;
    }
    Some(match allowed {
        [] => format!("`{from}` may use no crate of ours, so not `{to}`"),
        allowed => format!("`{from}` may use {} only, so not `{to}`", allowed.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_lead_down_only() {
        let check = |from: &str, to: &str, allowed: bool| {
            assert_eq!(refusal(from, to, false).is_none(), allowed, "{from} -> {to}");
        };
        assert_eq!(refusal("booking", "migrations", true), None);
        check("booking", "migrations", false);
        check("booking", "platform", true);
        check("booking", "catalog", false);
        check("platform", "graphql-kit", false);
        check("gateway", "graphql-kit", false);
        check("marquee", "gateway", true);
        check("tests", "xtask", true);
        check("kernel", "events", false);
        check("brand-new", "kernel", false);
    }
}
