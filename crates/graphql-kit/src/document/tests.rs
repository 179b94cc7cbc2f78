use std::fmt::Write;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use super::*;

const LIMITS: Limits = Limits {
    body_bytes: 1_024,
    tokens: 200,
    depth: 8,
    selections: 40,
    directives: 10,
    complexity: 1,
    introspection: false,
};

fn check(document: &str) -> Result<(), Excess> {
    super::check(document, &LIMITS)
}

/// How many selections a document has, with fragments unfolded, as the check counts them.
fn selections(document: &str) -> usize {
    (0..1_000)
        .find(|selections| {
            let limits = Limits { selections: *selections, ..LIMITS };
            super::check(document, &limits) != Err(Excess::Selections(*selections))
        })
        .unwrap()
}

/// How deep a document nests, as the check counts.
fn depth(document: &str) -> usize {
    let fits = |depth| super::check(document, &Limits { depth, ..LIMITS }) != Err(Excess::Depth(depth));
    (0..100).find(|depth| fits(*depth)).unwrap()
}

#[test]
fn selections_are_counted_wherever_they_hide() {
    for (document, expected) in [
        ("{ a }", 1),
        ("query Q { a b, c }", 3),
        (
            "query Q($v: [Int!]! = [1, 2], $o: O = {a: {b: 1}}) @d(x: {y: z}) { a(v: $v, o: {c: [d, {e: f}]}) @e { b } }",
            2,
        ),
        ("{ alias: a { x: __typename } }", 2),
        ("{ a ... { b } ... @include(if: true) { c } ... on T @d { e } }", 7),
        ("{ ...F } fragment F on T { a b }", 5),
        // Twice where it is spread, once where it stands.
        ("{ x { ...F } y { ...F } } fragment F on T { a }", 7),
        ("fragment F on T { ...G } fragment G on T { a } { ...F }", 6),
        // Names that are keywords elsewhere.
        ("query query { query fragment on: mutation { on } }", 4),
        ("query { ...fragment } fragment fragment on on { on }", 3),
        ("{ a(s: \"} { \\\" }\", b: \"\"\" { \\\"\"\" \" }} \"\"\") { b } }", 2),
        ("{ a # } { b c\n d }", 2),
        ("\u{feff}{ a(x: -1.5e+3, y: ON) }", 1),
        ("{ a } { b", 2),
        ("", 0),
    ] {
        assert_eq!(selections(document), expected, "{document}");
    }
}

#[test]
fn depth_goes_through_fragments_and_into_values() {
    for (document, expected) in [
        ("{ a }", 1),
        ("{ a { b { c } } d }", 3),
        ("{ a { ... { b } } }", 3),
        ("{ a { ...F } } fragment F on T { b { c } }", 4),
        ("{ ...F } fragment F on T { ...G } fragment G on T { a }", 3),
        ("{ a(x: [[1]]) }", 4),
        ("query($v: [[[Int]]]) { a }", 4),
    ] {
        assert_eq!(depth(document), expected, "{document}");
    }
}

#[test]
fn a_fragment_bomb_is_defused() {
    let mut bomb = String::from("{ ...F0 }");
    for level in 0..6 {
        let next = level + 1;
        write!(bomb, " fragment F{level} on Query {{ ...F{next} ...F{next} ...F{next} }}").unwrap();
    }
    bomb.push_str(" fragment F6 on Query { __typename }");
    assert_eq!(check(&bomb), Err(Excess::Selections(40)));
    // So many that not even the count fits a number.
    let limits = Limits { depth: 64, tokens: 1_000_000, ..LIMITS };
    let mut bomb = String::from("{ ...F0 }");
    for level in 0..60 {
        let spread = format!(" ...F{}", level + 1);
        write!(bomb, " fragment F{level} on Query {{{} }}", spread.repeat(10)).unwrap();
    }
    bomb.push_str(" fragment F60 on Query { a }");
    assert_eq!(super::check(&bomb, &limits), Err(Excess::Selections(40)));
}

#[test]
fn fragments_may_not_be_circular() {
    for document in [
        "{ ...F } fragment F on T { ...F }",
        "{ ...F } fragment F on T { a { ...G } } fragment G on T { ... { ...F } }",
        // Also when nobody uses them.
        "{ a } fragment F on T { ...G } fragment G on T { ...F }",
    ] {
        assert_eq!(check(document), Err(Excess::Circular), "{document}");
    }
    // The same fragment in two places is no circle.
    assert_eq!(check("{ a { ...F } ...F } fragment F on T { b }"), Ok(()));
}

#[test]
fn what_is_too_long_wide_or_deep_is_refused() {
    let chain = (0..60).map(|n| format!("fragment F{n} on T {{ ...F{} }}", n + 1)).collect::<String>();
    let wide: String = (0..50).map(|n| format!("a{n}: a ")).collect();
    for (document, excess) in [
        (format!("{{ {} }}", "a".repeat(10)), None),
        (format!("{{ {} }}", "a ".repeat(300)), Some(Excess::Tokens(200))),
        (format!("{{ {wide} }}"), Some(Excess::Selections(40))),
        ("{a".repeat(10), Some(Excess::Depth(8))),
        ("[".repeat(100_000), Some(Excess::Depth(8))),
        ("{)".repeat(90), None),
        (format!("{{ a(x: {}) }}", "[".repeat(10)), Some(Excess::Depth(8))),
        (format!("{{ ...F0 }} {chain}"), Some(Excess::Tokens(200))),
        (format!("{{ a {} }}", "@d ".repeat(11)), Some(Excess::Directives(10))),
    ] {
        assert_eq!(check(&document).err(), excess, "{document:.60}");
    }
    let roomy = Limits { tokens: 10_000, selections: 10_000, ..LIMITS };
    assert_eq!(super::check(&format!("{{ ...F0 }} {chain}"), &roomy), Err(Excess::Depth(8)));
}

#[test]
fn a_subgraph_describes_itself_only_when_it_may() {
    for document in ["{ __schema { a } }", "{ x: _service { sdl } }", "{ ... { __type(name: \"T\") { a } } }"]
    {
        assert_eq!(check(document), Err(Excess::Introspection), "{document}");
        let limits = Limits { introspection: true, ..LIMITS };
        assert_eq!(super::check(document, &limits), Ok(()), "{document}");
    }
    for document in
        ["{ __typename }", "{ a(name: \"__schema\", x: _service) }", "query __schema { a @__type }"]
    {
        assert_eq!(check(document), Ok(()), "{document}");
    }
}

/// How many selections a document has by the library's own parser; nothing if it is no document.
fn parsed(document: &str) -> Option<usize> {
    let document = parse_query(document).ok()?;
    let fragments = document.fragments.values().map(|fragment| &fragment.node.selection_set.node);
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    Some(operations.chain(fragments).map(|set| unfolded(&document, set)).sum())
}

fn unfolded(document: &ExecutableDocument, set: &SelectionSet) -> usize {
    let inner = |selection: &Selection| match selection {
        Selection::Field(field) => unfolded(document, &field.node.selection_set.node),
        Selection::InlineFragment(fragment) => unfolded(document, &fragment.node.selection_set.node),
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.node.fragment_name.node);
            fragment.map_or(0, |fragment| unfolded(document, &fragment.node.selection_set.node))
        }
    };
    set.items.iter().map(|item| 1 + inner(&item.node)).sum()
}

#[test]
fn what_the_parser_takes_for_something_else_hides_nothing() {
    for document in [
        // An unterminated block string, which the parser takes for two strings.
        "{ a(x: [\"\"\" \"]) ...F ...F } fragment F on T { b }",
        // Keywords without a space.
        "{ ...F ...F } fragmentF on T { a }",
        "queryQ { ...F } fragmentF on T{a}",
        // A fragment that is called `on`.
        "{ ...on#\n T { a } } fragment on on T { b c d }",
    ] {
        let count = parsed(document).unwrap();
        assert!(count.abs_diff(selections(document)) <= 1, "{document}: {count}");
    }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.roll(texts.len())]
    }

    /// A selection set that spreads none of the first `from` of six fragments.
    fn set(&mut self, from: usize, depth: usize) -> String {
        let mut text = String::from("{");
        for _ in 0..=self.roll(2) {
            text += self.pick(&[" ", "\n", ",", " #}\n", "\u{feff}"]);
            match self.roll(6) {
                0 if from < 6 => write!(text, "...F{}", from + self.roll(6 - from)).unwrap(),
                1 if depth > 0 => {
                    text += self.pick(&["...", "... on T", "...on\nT", "...@d", "... on T @d(x: {y: [1]})"]);
                    text += &self.set(from, depth - 1);
                }
                2 if depth > 0 => {
                    text += self.pick(&[
                        "a",
                        "on :a",
                        "a(x:1)",
                        "a@d",
                        "fragment(s: \"{\\\"{\", t: \"\"\"}\\\"\"\"{\"\"\")",
                    ]);
                    text += &self.set(from, depth - 1);
                }
                _ => {
                    text += self.pick(&["query ", "x:y ", "a(x:[{y:$v},-1.5e3,ON,\"#\"]) ", "a @d(x:\"\") "]);
                }
            }
        }
        text + self.pick(&["}", " }", "\r}"])
    }
}

#[test]
fn the_count_is_that_of_the_parser() {
    let roomy = Limits { tokens: 100_000, depth: 64, selections: 100_000, directives: 100_000, ..LIMITS };
    let mut dice = Dice(7);
    for _ in 0..500 {
        let mut document = String::from(dice.pick(&["", "query", "mutation Q", "query($v:[Int!]={a:1})@d"]));
        document += &dice.set(0, 3);
        for name in 0..6 {
            write!(document, "fragment F{name} on T{}", dice.set(name + 1, 2)).unwrap();
        }
        let Some(count) = parsed(&document) else { continue };
        let with = |selections| super::check(&document, &Limits { selections, ..roomy });
        assert_eq!(with(count), Ok(()), "{count} {document}");
        assert_eq!(with(count - 1), Err(Excess::Selections(count - 1)), "{count} {document}");
    }
}

#[test]
fn no_text_makes_it_panic() {
    let mut dice = Dice(1);
    for _ in 0..2_000 {
        let pieces = [
            "{", "}", "(", "]", "...", "@", ":", "on", "fragment", "F", "\"", "\"\"\"", "\\", "#", "ü", ". ",
        ];
        let text: String = (0..30).map(|_| dice.pick(&pieces)).collect();
        let _ = check(&text);
    }
}
