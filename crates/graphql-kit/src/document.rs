//! Refuses documents that would cost much to look at, before anything else looks at them.
//!
//! A GraphQL library parses, unfolds fragments and validates before it can refuse. A few hundred
//! bytes of fragments that spread each other twice unfold to billions of fields; ten thousand
//! opening braces end a recursive parser. Here a document is read once, by its
//! [tokens](https://spec.graphql.org/October2021/#sec-Appendix-Grammar-Summary.Lexical-Tokens),
//! without recursion and without a tree; then each fragment is weighed once. What is not GraphQL
//! passes: the parser says so better, and finds nothing here that it could choke on.

mod known;

use std::collections::HashMap;

use crate::limits::Limits;

pub(crate) use known::{Documents, Remembered};

/// Why a document is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Too long.
    #[error("the document has more than {0} tokens")]
    Tokens(usize),
    /// Too deep.
    #[error("the document nests deeper than {0} levels")]
    Depth(usize),
    /// Too wide, perhaps only when its fragments are unfolded.
    #[error("the document selects more than {0} fields, counted with fragments unfolded")]
    Selections(usize),
    /// Too many directives.
    #[error("the document has more than {0} directives")]
    Directives(usize),
    /// A fragment that spreads itself, perhaps by way of others.
    #[error("the document has fragments that spread themselves")]
    Circular,
    /// It asks what the schema is.
    #[error("this subgraph does not describe itself; its schema is published as a file")]
    Introspection,
}

/// Looks at `document` in a time that grows with its length, whatever it says.
///
/// # Errors
/// [`Excess`] names the limit.
pub fn check(document: &str, limits: &Limits) -> Result<(), Excess> {
    let mut reader = Reader::new(limits);
    for token in Tokens::new(document) {
        reader.take(token)?;
    }
    Weights::new(&reader.definitions, limits).check()
}

/// What matters of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'d> {
    Name(&'d str),
    Open(u8),
    Close,
    Spread,
    At,
    Colon,
    /// Any other: punctuation, a number, a string.
    Other,
}

/// Splits a document into tokens, as the library's parser does.
struct Tokens<'d> {
    text: &'d str,
    at: usize,
    /// A block string that begins from here on may end.
    blocks_end: bool,
}

impl<'d> Tokens<'d> {
    const fn new(text: &'d str) -> Self {
        Self { text, at: 0, blocks_end: true }
    }

    /// The bytes that are left.
    fn rest(&self) -> &'d [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Skips while `condition` holds.
    fn skip_while(&mut self, condition: impl Fn(u8) -> bool) {
        self.at += self.rest().iter().take_while(|byte| condition(**byte)).count();
    }

    /// Skips a string, whose opening quote is next.
    fn skip_string(&mut self) {
        if self.blocks_end && self.rest().starts_with(b"\"\"\"") {
            let start = self.at;
            self.at += 3;
            loop {
                match self.rest() {
                    [] => break,
                    [b'\\', b'"', b'"', b'"', ..] => self.at += 4,
                    [b'"', b'"', b'"', ..] => {
                        self.at += 3;
                        return;
                    }
                    _ => self.at += 1,
                }
            }
            // One that does not end is an empty string, and another one behind it.
            self.blocks_end = false;
            self.at = start;
        }
        self.at += 1;
        loop {
            match self.rest() {
                [] => return,
                [b'"', ..] => {
                    self.at += 1;
                    return;
                }
                [b'\\', _, ..] => self.at += 2,
                _ => self.at += 1,
            }
        }
    }
}

impl<'d> Iterator for Tokens<'d> {
    type Item = Token<'d>;

    fn next(&mut self) -> Option<Token<'d>> {
        loop {
            let start = self.at;
            match *self.rest().first()? {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => self.at += 1,
                // A byte order mark is white space; of anything else that is not ASCII the parser
                // takes care.
                byte if !byte.is_ascii() => self.at += 1,
                b'#' => self.skip_while(|byte| byte != b'\n' && byte != b'\r'),
                b'"' => {
                    self.skip_string();
                    return Some(Token::Other);
                }
                b'.' => {
                    self.skip_while(|byte| byte == b'.');
                    return Some(Token::Spread);
                }
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                    self.skip_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
                    return Some(Token::Name(self.text.get(start..self.at).unwrap_or_default()));
                }
                b'-' | b'0'..=b'9' => {
                    self.at += 1;
                    self.skip_while(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte));
                    return Some(Token::Other);
                }
                byte => {
                    self.at += 1;
                    return Some(match byte {
                        b'{' | b'(' | b'[' => Token::Open(byte),
                        b'}' | b')' | b']' => Token::Close,
                        b'@' => Token::At,
                        b':' => Token::Colon,
                        _ => Token::Other,
                    });
                }
            }
        }
    }
}

/// An operation or a fragment.
#[derive(Debug, Default)]
struct Definition<'d> {
    /// The name of a fragment.
    fragment: Option<&'d str>,
    /// Its fields, inline fragments and spreads.
    selections: usize,
    /// How deep it nests, spreads aside.
    depth: usize,
    /// The fragments that it spreads, each with how deep.
    spreads: Vec<(&'d str, usize)>,
}

/// What the next name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A field, or the keyword that begins a definition.
    Usual,
    /// The field behind an alias, which is counted.
    Aliased,
    /// Of a directive, or a type.
    Ignored,
    /// `on`, or a fragment that is spread.
    Spread,
    /// The name of the fragment that is defined.
    Fragment,
}

/// Reads tokens into definitions.
struct Reader<'d, 'l> {
    limits: &'l Limits,
    definitions: Vec<Definition<'d>>,
    tokens: usize,
    directives: usize,
    /// Selection sets that are open.
    sets: usize,
    /// Brackets of arguments and variables that are open within them.
    values: usize,
    /// A definition has begun, and its selection set has not.
    in_head: bool,
    next: Next,
}

impl<'d, 'l> Reader<'d, 'l> {
    const fn new(limits: &'l Limits) -> Self {
        let definitions = Vec::new();
        Self {
            limits,
            definitions,
            tokens: 0,
            directives: 0,
            sets: 0,
            values: 0,
            in_head: false,
            next: Next::Usual,
        }
    }

    fn take(&mut self, token: Token<'d>) -> Result<(), Excess> {
        self.tokens += 1;
        if self.tokens > self.limits.tokens {
            return Err(Excess::Tokens(self.limits.tokens));
        }
        match token {
            Token::Open(bracket) => self.open(bracket)?,
            Token::Close if self.values > 0 => self.values -= 1,
            Token::Close => self.sets = self.sets.saturating_sub(1),
            Token::At => {
                self.directives += 1;
                if self.directives > self.limits.directives {
                    return Err(Excess::Directives(self.limits.directives));
                }
                self.next = Next::Ignored;
            }
            // Arguments and default values select nothing.
            _ if self.values > 0 => self.next = Next::Usual,
            Token::Name(name) => self.name(name)?,
            Token::Spread if self.sets > 0 => {
                self.select();
                self.next = Next::Spread;
            }
            Token::Colon if self.sets > 0 => self.next = Next::Aliased,
            Token::Spread | Token::Colon | Token::Other => {}
        }
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<(), Excess> {
        if bracket == b'{' && self.values == 0 {
            if self.sets == 0 && !self.in_head {
                self.definitions.push(Definition::default());
            }
            self.in_head = false;
            self.sets += 1;
            if let Some(definition) = self.definitions.last_mut() {
                definition.depth = definition.depth.max(self.sets);
            }
        } else {
            self.values += 1;
        }
        self.next = Next::Usual;
        if self.sets + self.values > self.limits.depth { Err(self.too_deep()) } else { Ok(()) }
    }

    const fn too_deep(&self) -> Excess {
        Excess::Depth(self.limits.depth)
    }

    fn name(&mut self, name: &'d str) -> Result<(), Excess> {
        match std::mem::replace(&mut self.next, Next::Usual) {
            Next::Ignored => {}
            Next::Fragment => {
                if let Some(definition) = self.definitions.last_mut() {
                    definition.fragment = Some(name);
                }
            }
            Next::Spread => {
                // No fragment may have the name `on`. Should one have it, then this may spread it.
                if name == "on" {
                    self.next = Next::Ignored;
                }
                let sets = self.sets;
                if let Some(definition) = self.definitions.last_mut() {
                    definition.spreads.push((name, sets));
                }
            }
            Next::Aliased => self.field(name)?,
            Next::Usual if self.sets > 0 => {
                self.select();
                self.field(name)?;
            }
            Next::Usual if self.in_head => {}
            Next::Usual => {
                self.in_head = true;
                // The parser takes `fragmentF` for `fragment F`.
                let fragment = name.strip_prefix("fragment");
                if fragment == Some("") {
                    self.next = Next::Fragment;
                }
                let fragment = fragment.filter(|name| !name.is_empty());
                self.definitions.push(Definition { fragment, ..Definition::default() });
            }
        }
        Ok(())
    }

    fn select(&mut self) {
        if let Some(definition) = self.definitions.last_mut() {
            definition.selections += 1;
        }
    }

    fn field(&self, name: &str) -> Result<(), Excess> {
        let asks = matches!(name, "__schema" | "__type" | "_service");
        if asks && !self.limits.introspection { Err(Excess::Introspection) } else { Ok(()) }
    }
}

/// A definition with its fragments unfolded.
#[derive(Debug, Clone, Copy)]
struct Weight {
    selections: usize,
    depth: usize,
}

/// What is known of a fragment.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// It is being weighed: whoever spreads it now is part of it.
    Open,
    /// It was weighed.
    Weight(Weight),
}

/// Weighs each definition once.
struct Weights<'a> {
    definitions: &'a [Definition<'a>],
    fragments: HashMap<&'a str, usize>,
    known: HashMap<usize, Known>,
    limits: &'a Limits,
}

impl<'a> Weights<'a> {
    fn new(definitions: &'a [Definition<'a>], limits: &'a Limits) -> Self {
        let names = definitions.iter().enumerate().filter_map(|(at, one)| Some((one.fragment?, at)));
        Self { definitions, fragments: names.collect(), known: HashMap::new(), limits }
    }

    fn check(mut self) -> Result<(), Excess> {
        let mut selections = 0_usize;
        for at in 0..self.definitions.len() {
            selections = selections.saturating_add(self.weigh(at, 1)?.selections);
            if selections > self.limits.selections {
                return Err(Excess::Selections(self.limits.selections));
            }
        }
        Ok(())
    }

    /// `level` is how many definitions are being weighed: a spread nests, even if only in another
    /// spread, so this recursion is as limited as everything else that nests.
    fn weigh(&mut self, at: usize, level: usize) -> Result<Weight, Excess> {
        match self.known.insert(at, Known::Open) {
            Some(Known::Open) => return Err(Excess::Circular),
            Some(known @ Known::Weight(weight)) => {
                self.known.insert(at, known);
                return Ok(weight);
            }
            None => {}
        }
        let too_deep = Excess::Depth(self.limits.depth);
        let definitions = self.definitions;
        let Some(definition) = definitions.get(at).filter(|_| level <= self.limits.depth) else {
            return Err(too_deep);
        };
        let mut weight = Weight { selections: definition.selections, depth: definition.depth };
        for (name, depth) in &definition.spreads {
            // What does not exist is for validation to refuse.
            let Some(&fragment) = self.fragments.get(name) else { continue };
            let inner = self.weigh(fragment, level + 1)?;
            weight.selections = weight.selections.saturating_add(inner.selections);
            weight.depth = weight.depth.max(depth + inner.depth);
        }
        if weight.depth > self.limits.depth {
            return Err(too_deep);
        }
        self.known.insert(at, Known::Weight(weight));
        Ok(weight)
    }
}

#[cfg(test)]
mod tests;
