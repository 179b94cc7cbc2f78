//! What is refused, and what must pass.

use super::*;

fn guard() -> Guard {
    Guard::new(Limits::default())
}

/// What a document is refused for; empty when it passes.
fn refused(text: &str) -> String {
    match guard().document(text) {
        Ok(_) => String::new(),
        Err(refusal) => refusal.errors()[0]["message"].as_str().unwrap().to_owned(),
    }
}

fn check(text: &str, reason: &str) {
    let told = refused(text);
    let expected = match reason.is_empty() {
        true => told.is_empty(),
        false => told.contains(reason),
    };
    assert!(expected, "{:?} for {}", told, text.get(..200).unwrap_or(text));
}

fn nested(levels: usize) -> String {
    format!("{{ {} b {} }}", "a { ".repeat(levels - 1), "} ".repeat(levels - 1))
}

/// `F0` contains `F1` `times` times, and so on.
fn chain(fragments: usize, times: usize, last: &str) -> String {
    let mut text = "{ ...F0 }".to_owned();
    for n in 0..fragments {
        let next = format!("...F{} ", n + 1).repeat(times);
        text += &format!(" fragment F{n} on Query {{ {next} }}");
    }
    text + &format!(" fragment F{fragments} on Query {{ {last} }}")
}

#[test]
fn clients_of_today_pass() {
    for operations in [
        include_str!("../../../schema/operations.graphql"),
        include_str!("../../tests/fixture/introspection.graphql"),
    ] {
        // Root fields are counted by operation, and everything else by file: more than any of them.
        let roomy = Limits { tokens: 100_000, fields: 5_000, directives: 500, ..Limits::default() };
        Guard::new(roomy).document(operations).unwrap();
        for operation in operations.split("\n\n") {
            check(operation, "");
        }
    }
}

#[test]
fn operations_are_counted() {
    let many = |of: usize| (0..of).map(|n| format!("query Q{n} {{ a }} ")).collect::<String>();
    check(&many(50), "");
    check(&many(51), "50 operations (gateway.limits.operations)");
    check(&format!("{} fragment F on Query {{ a }}", many(50)), "");
    check(&"{a}".repeat(51), "gateway.limits.operations");
}

#[test]
fn depth_is_counted_through_fragments() {
    check(&nested(15), "");
    check(&nested(16), "15 levels of fields (gateway.limits.depth)");
    let spread = |levels: usize| format!("{{ a {{ b {{ ...F }} }} }} fragment F on T {}", nested(levels));
    check(&spread(13), "");
    check(&spread(14), "gateway.limits.depth");
    let inline = "{ ... on Query { ... { a } } }";
    check(inline, "");
    check(&nested(10_000), "gateway.limits.depth");
    check(&format!("{{ {} a", "... { ".repeat(60)), "brackets in brackets");
    check(&format!("{{ a(b: {}", "[".repeat(60)), "brackets in brackets");
}

#[test]
fn everything_is_counted() {
    let aliases = |count: usize| {
        let fields: String = (0..count).map(|n| format!("a{n}: a {{ id }} ")).collect();
        format!("{{ x {{ {fields} }} }}")
    };
    check(&aliases(30), "");
    check(&aliases(31), "30 aliases (gateway.limits.aliases)");
    check(&aliases(10_000), "gateway.limits.aliases");
    check(&format!("{{ {} }}", "a ".repeat(20)), "");
    check(&format!("{{ {} }}", "a ".repeat(21)), "20 root fields (gateway.limits.root_fields)");
    check(&format!("{{ x {{ {} }} }}", "a ".repeat(501)), "gateway.limits.fields");
    check(
        &format!("{{ a {} }}", "@include(if: true) ".repeat(51)),
        "50 directives (gateway.limits.directives)",
    );
    check(&format!("query Q({}) {{ a }}", "$a: Int @x ".repeat(51)), "gateway.limits.directives");
    check(&format!("{{ a(b: [{}]) }}", "1 ".repeat(495)), "");
    check(&format!("{{ a(b: [{}]) }}", "1 ".repeat(496)), "use variables (gateway.limits.arguments)");
    check(&format!("query Q({}) {{ a }}", "$a: Int ".repeat(125)), "gateway.limits.arguments");
    check(&"{ a { b } } ".repeat(400), "50 operations");
    check(&format!("{{ x {{ {} }} }}", "...A ".repeat(1_000)), "2000 tokens (gateway.limits.tokens)");
    check(&format!("{{ {} }}", "a ".repeat(10_000)), "has more than");
}

#[test]
fn arguments_and_texts_are_no_fields() {
    let values = "a: { b: { c: [1, \"} a: b {\", $d, \"\"\"\n}}}\"\"\"] } } ".repeat(20);
    check(&format!("query Q($d: T = {{ a: 1 }}) {{ a({values}) # }} b: c\n }}"), "");
}

#[test]
fn a_bomb_of_fragments_is_not_lit() {
    check(&chain(30, 2, "a"), "gateway.limits.fields");
    check(&chain(4, 4, "a"), "root fields");
    check(&chain(10, 1, "a"), "");
    check(&chain(200, 1, "a"), "fragments in fragments");
    let below = "{ x { ...F } ...F } fragment F on T { a { b { ...G } } } fragment G on T { c d }";
    check(below, "");
}

#[test]
fn fields_of_one_name_are_bounded() {
    let reason = "1500 comparisons to merge them (gateway.limits.overlaps)";
    let times = |count: usize| format!("{{ x {{ {} }} }}", "id ".repeat(count));
    check(&times(55), "");
    check(&times(56), reason);
    // Under one name by alias; in an inline fragment; by fragments, which are compared themselves, too.
    check(&format!("{{ x {{ {} {} }} }}", "id ".repeat(70), "id: a ".repeat(30)), reason);
    check(&format!("{{ x {{ {} ... on T {{ {} }} }} }}", "id ".repeat(45), "id ".repeat(45)), reason);
    let beside = |count: usize| {
        let uses: String = (0..count).map(|n| format!("...F{n} ")).collect();
        let fragments: String = (0..count).map(|n| format!("fragment F{n} on T {{ f{n} }} ")).collect();
        format!("{{ x {{ {uses} }} }} {fragments}")
    };
    check(&beside(27), "");
    check(&beside(28), reason);
    // Every two on a level are compared, and there are twice as many on the next.
    let twice = |within: String, _| format!("a {{ {within} }} a {{ {within} }}");
    let doubled = |levels: usize| format!("{{ {} }}", (0..levels).fold("id".to_owned(), twice));
    check(&doubled(4), "");
    check(&doubled(6), reason);
    // Not in one set, they are nothing to each other.
    let apart: String = (0..16).map(|n| format!("f{n} {{ {} }} ", "id a b c d e f g ".repeat(2))).collect();
    check(&format!("{{ {apart} }}"), "");
    // Each inline fragment is looked at by itself, with all that is within.
    let wrapped = |levels: usize, within: &str| {
        format!("{{ x {{ {} {within} {} }} }}", "... { ".repeat(levels), "} ".repeat(levels))
    };
    check(&wrapped(46, "id a { b }"), "");
    check(&wrapped(4, &"id ".repeat(24)), "");
    check(&wrapped(5, &"id ".repeat(24)), reason);
    check(&wrapped(46, &"a { b } ".repeat(6)), reason);
    check(&format!("{{ {} }}", "a { ... on T { b } } ".repeat(14)), "");
    check(&format!("{{ {} }}", "a { ... on T { b } } ".repeat(18)), reason);
    // Fragments without fields are counted, too.
    check(&chain(40, 2, ""), reason);
}

#[test]
fn circles_are_refused_used_or_not() {
    for text in [
        "{ ...A } fragment A on Query { a ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { a { ...A } }",
        "{ a } fragment A on Query { a { ...A } }",
    ] {
        check(text, "contains itself");
    }
    check("{ ...A } fragment A on Query { a } fragment A on Query { b }", "same name");
}

#[test]
fn introspection_is_known_and_cannot_explode() {
    let introspects = |text: &str| guard().document(text).unwrap().introspects;
    assert!(introspects("{ a: __schema { types { name } } }"));
    assert!(introspects("{ ...F } fragment F on Query { __type(name: \"A\") { name } }"));
    assert!(!introspects("{ __typename a { __typename } }"));
    let bomb = |levels: usize| {
        format!(
            "{{ __schema {{ types {{ {} name {} }} }} }}",
            "fields { type { ".repeat(levels),
            "} } ".repeat(levels)
        )
    };
    check(&bomb(2), "");
    check(&bomb(3), "ask for names");
    check(
        "{ __schema { types { ...A } } } fragment A on __Type { fields { type { ...B } } } \
         fragment B on __Type { interfaces { possibleTypes { name } } }",
        "ask for names",
    );
}

#[test]
fn what_is_no_document_is_left_to_the_router() {
    for text in [
        "",
        "{",
        "}",
        "{ a",
        "query",
        "{ a ? }",
        "fragment",
        "fragment A on",
        "...",
        "{ { a } }",
        "\"",
        "{a(b:\"}",
    ] {
        check(text, "");
    }
    // What was read up to there counts.
    check(&format!("{} ?", nested(16)), "gateway.limits.depth");
}

#[test]
fn bodies_are_looked_at_unread() {
    let refused = |body: &[u8]| {
        let refusal = guard().body(body).err()?;
        Some((refusal.status.as_u16(), refusal.errors()[0]["message"].as_str().unwrap().to_owned()))
    };
    assert_eq!(refused(br#"{"query":"{ a }","variables":{"a":[1]}}"#), None);
    let (status, message) = refused(&vec![b' '; 65 * 1024]).unwrap();
    assert_eq!(status, 413);
    assert!(message.contains("gateway.limits.body_bytes"), "{message}");
    assert!(refused(b" [{}]").unwrap().1.contains("one by one"));
    let (status, message) = refused(format!("{{\"variables\":{}", "[".repeat(30_000)).as_bytes()).unwrap();
    assert_eq!(status, 400);
    assert!(message.contains("gateway.limits.variables_depth"), "{message}");
}

#[test]
fn variables_are_bounded() {
    guard().values("variables", r#"{"a":[{"b":[1]}]}"#).unwrap();
    let deep = "[".repeat(17) + &"]".repeat(17);
    let long = format!("\"{}\"", "a".repeat(33 * 1024));
    for (json, setting) in [(deep, "variables_depth"), (long, "variables_bytes")] {
        let refusal = guard().values("variables", &json).unwrap_err();
        assert!(refusal.errors().to_string().contains(setting), "{refusal:?}");
    }
}
