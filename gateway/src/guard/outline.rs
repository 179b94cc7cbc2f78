//! What a document would make a server do, found out in one pass over its tokens: how many fields, how
//! deep, by how many names. Fragments are measured once each and never written out, so that a bomb of
//! fragments in fragments costs no more than its text.
//!
//! What is no document is measured up to where that shows; the router says what is wrong with it.

use std::collections::HashMap;

use super::{
    Excess, Limits,
    lexer::{Lexer, Token},
    overlap::{self, Selection, Selections},
};

/// Brackets in brackets that the router's parser, which is recursive, goes into.
const NESTING: usize = 50;
/// Fragments in fragments that are followed.
const CHAIN: u32 = 50;
/// Lists of types in lists of types that introspection may ask for: each multiplies the answer by the
/// size of the schema. The number is that of graphql-js (`MaxIntrospectionDepthRule`).
const INTROSPECTION_LISTS: u32 = 3;
/// The fields of introspection that are such lists.
const LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// What is known of a document that may be executed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    /// Whether it reads the schema.
    pub(crate) introspects: bool,
}

/// Measures a document.
pub(super) fn measure(text: &str, limits: &Limits) -> Result<Traits, Excess> {
    let mut outline = Outline::new(text, limits);
    while outline.definition()?.is_some() {}
    let Outline { definitions, introspects, .. } = outline;
    let fragments = fragments(&definitions)?;
    Expansion::new(&definitions, &fragments, limits).expand()?;
    overlap::check(&definitions, &fragments, limits.overlaps)?;
    Ok(Traits { introspects })
}

/// An operation or a fragment, as it is written.
#[derive(Debug, Default)]
pub(super) struct Definition<'t> {
    fragment: Option<&'t str>,
    own: Size,
    spreads: Vec<Spread<'t>>,
    /// Its own selection set, and those of its fields in the order in which they are written.
    pub(super) sets: Vec<Selections<'t>>,
}

/// The use of a fragment.
#[derive(Debug)]
struct Spread<'t> {
    fragment: &'t str,
    /// What it is within.
    within: Set,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    fields: usize,
    roots: usize,
    /// Levels of fields that are not of introspection.
    depth: usize,
    /// Lists in lists of introspection.
    lists: u32,
}

/// A selection set.
#[derive(Debug, Clone, Copy, Default)]
struct Set {
    /// Which of its definition's.
    at: usize,
    /// Inline fragments around it that are in the same.
    inline: usize,
    /// Levels of fields around it.
    above: usize,
    lists: u32,
    introspection: bool,
}

struct Outline<'t, 'l> {
    tokens: Lexer<'t>,
    limits: &'l Limits,
    seen: usize,
    directives: usize,
    aliases: usize,
    arguments: usize,
    operations: usize,
    introspects: bool,
    definitions: Vec<Definition<'t>>,
}

impl<'t, 'l> Outline<'t, 'l> {
    const fn new(text: &'t str, limits: &'l Limits) -> Self {
        let tokens = Lexer::new(text);
        Self {
            tokens,
            limits,
            seen: 0,
            directives: 0,
            aliases: 0,
            arguments: 0,
            operations: 0,
            introspects: false,
            definitions: Vec::new(),
        }
    }

    /// The next token. `None` at the end, and at what is no token.
    fn next(&mut self) -> Result<Option<Token<'t>>, Excess> {
        let token = self.tokens.next();
        self.seen += usize::from(token.is_some());
        if self.seen > self.limits.tokens { Err(Excess::Tokens) } else { Ok(token) }
    }

    fn name(&mut self) -> Result<Option<&'t str>, Excess> {
        Ok(match self.next()? {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        })
    }

    /// Reads an operation or a fragment. `None` at the end, and when there is none.
    fn definition(&mut self) -> Result<Option<()>, Excess> {
        let mut definition = Definition::default();
        let mut set = Set::default();
        match self.next()? {
            Some(Token::Punctuator(b'{')) => {
                self.operation()?;
                return self.selections(definition, set);
            }
            Some(Token::Name("fragment")) => {
                definition.fragment = self.name()?;
                let (Some("on"), Some(kind)) = (self.name()?, self.name()?) else { return Ok(None) };
                set.introspection = is_introspection(kind);
            }
            Some(Token::Name(_)) => self.operation()?,
            _ => return Ok(None),
        }
        // The name, variables and directives.
        loop {
            match self.next()? {
                Some(Token::Punctuator(b'{')) => return self.selections(definition, set),
                Some(Token::Punctuator(b'(')) => self.arguments(0)?,
                Some(Token::Punctuator(b'@')) => self.directive()?,
                Some(Token::Name(_)) => {}
                _ => return Ok(None),
            }
        }
    }

    fn operation(&mut self) -> Result<(), Excess> {
        self.operations += 1;
        if self.operations > self.limits.operations { Err(Excess::Operations) } else { Ok(()) }
    }

    /// Reads a selection set and all within, after its first brace.
    fn selections(&mut self, mut definition: Definition<'t>, set: Set) -> Result<Option<()>, Excess> {
        definition.sets.push(Selections::default());
        let mut open = vec![set];
        // The set that a brace would open.
        let mut next = None;
        while let Some(&set) = open.last() {
            match self.next()? {
                Some(Token::Punctuator(b'{')) => match next.take() {
                    Some(_) if open.len() >= NESTING => return Err(Excess::Nesting),
                    Some(set) => open.push(set),
                    None => return self.ends(definition),
                },
                Some(Token::Punctuator(b'}')) => {
                    open.pop();
                    next = None;
                }
                Some(Token::Punctuator(b'(')) => self.arguments(open.len())?,
                Some(Token::Punctuator(b'@')) => self.directive()?,
                Some(Token::Name(name)) => {
                    let Some(field) = self.field_name(name)? else { return self.ends(definition) };
                    next = Some(self.field(&mut definition, set, name, field)?);
                }
                Some(Token::Spread) => next = self.spread(&mut definition, set)?,
                _ => return self.ends(definition),
            }
        }
        self.definitions.push(definition);
        Ok(Some(()))
    }

    /// What is read of a definition counts, though the rest cannot be.
    fn ends(&mut self, definition: Definition<'t>) -> Result<Option<()>, Excess> {
        self.definitions.push(definition);
        Ok(None)
    }

    /// The name of the field that `first` begins, which may be an alias.
    fn field_name(&mut self, first: &'t str) -> Result<Option<&'t str>, Excess> {
        if self.tokens.peek() != Some(Token::Punctuator(b':')) {
            return Ok(Some(first));
        }
        self.aliases += 1;
        if self.aliases > self.limits.aliases {
            return Err(Excess::Aliases);
        }
        self.next()?;
        self.name()
    }

    /// Counts a field, which answers under `key`, and says what its selection set would be.
    fn field(
        &mut self,
        definition: &mut Definition<'t>,
        set: Set,
        key: &'t str,
        name: &str,
    ) -> Result<Set, Excess> {
        let at = definition.sets.len();
        definition.sets[set.at].all.push(Selection::Field { key, set: at });
        definition.sets.push(Selections::default());
        let own = &mut definition.own;
        own.fields += 1;
        own.roots += usize::from(set.above == 0);
        let reads_schema = is_introspection(name) && name != "__typename";
        self.introspects |= reads_schema;
        let mut within = Set { at, inline: 0, above: set.above + 1, ..set };
        if set.introspection || reads_schema {
            within.introspection = true;
            within.lists += u32::from(LISTS.contains(&name));
            own.lists = own.lists.max(within.lists);
        } else {
            own.depth = own.depth.max(within.above);
        }
        if own.fields > self.limits.fields {
            return Err(Excess::Fields);
        }
        if own.depth > self.limits.depth {
            return Err(Excess::Depth);
        }
        Ok(within)
    }

    /// Reads what follows three dots; for an inline fragment, its selection set.
    fn spread(&mut self, definition: &mut Definition<'t>, set: Set) -> Result<Option<Set>, Excess> {
        let selections = &mut definition.sets[set.at];
        let mut within = Set { inline: set.inline + 1, ..set };
        if let Some(Token::Name(fragment)) = self.tokens.peek() {
            self.next()?;
            if fragment != "on" {
                selections.all.push(Selection::Fragment(fragment));
                definition.spreads.push(Spread { fragment, within: set });
                return Ok(None);
            }
            within.introspection |= self.name()?.is_some_and(is_introspection);
        }
        selections.inline += 1;
        selections.levels = selections.levels.max(within.inline);
        Ok(Some(within))
    }

    fn directive(&mut self) -> Result<(), Excess> {
        self.directives += 1;
        if self.directives > self.limits.directives {
            return Err(Excess::Directives);
        }
        self.name()?;
        Ok(())
    }

    /// Reads up to the parenthesis that closes one that was opened within `nested` brackets.
    fn arguments(&mut self, nested: usize) -> Result<(), Excess> {
        let mut open = 1;
        while open > 0 {
            self.arguments += 1;
            if self.arguments > self.limits.arguments {
                return Err(Excess::Arguments);
            }
            match self.next()? {
                Some(Token::Punctuator(b'(' | b'[' | b'{')) => open += 1,
                Some(Token::Punctuator(b')' | b']' | b'}')) => open -= 1,
                // Variables may have directives.
                Some(Token::Punctuator(b'@')) => self.directive()?,
                Some(_) => {}
                None => return Ok(()),
            }
            if nested + open > NESTING {
                return Err(Excess::Nesting);
            }
        }
        Ok(())
    }
}

fn is_introspection(name: &str) -> bool {
    name.starts_with("__")
}

/// The fragments, by name.
fn fragments<'t>(definitions: &[Definition<'t>]) -> Result<HashMap<&'t str, usize>, Excess> {
    let mut fragments = HashMap::new();
    for (at, definition) in definitions.iter().enumerate() {
        let Some(name) = definition.fragment else { continue };
        if fragments.insert(name, at).is_some() {
            return Err(Excess::SameName);
        }
    }
    Ok(fragments)
}

/// How large definitions are with the fragments that they use.
struct Expansion<'d, 't> {
    definitions: &'d [Definition<'t>],
    fragments: &'d HashMap<&'t str, usize>,
    limits: &'d Limits,
    sizes: Vec<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Unknown,
    /// What it contains is being measured, so it must not be there.
    Open,
    Known(Size),
}

impl<'d, 't> Expansion<'d, 't> {
    fn new(
        definitions: &'d [Definition<'t>],
        fragments: &'d HashMap<&'t str, usize>,
        limits: &'d Limits,
    ) -> Self {
        Self { definitions, fragments, limits, sizes: vec![State::Unknown; definitions.len()] }
    }

    fn expand(mut self) -> Result<(), Excess> {
        (0..self.definitions.len()).try_for_each(|at| self.size(at, 0).map(drop))
    }

    fn size(&mut self, at: usize, chain: u32) -> Result<Size, Excess> {
        match self.sizes.get(at) {
            Some(State::Known(size)) => return Ok(*size),
            Some(State::Open) => return Err(Excess::Circle),
            Some(State::Unknown) if chain > CHAIN => return Err(Excess::Chain),
            _ => {}
        }
        self.sizes[at] = State::Open;
        let definition = &self.definitions[at];
        let mut size = definition.own;
        for Spread { fragment, within } in &definition.spreads {
            // The router says which fragments are missing.
            let Some(&used) = self.fragments.get(fragment) else { continue };
            let used = self.size(used, chain + 1)?;
            size.fields = size.fields.saturating_add(used.fields);
            if within.above == 0 {
                size.roots = size.roots.saturating_add(used.roots);
            }
            if !within.introspection && used.depth > 0 {
                size.depth = size.depth.max(within.above + used.depth);
            }
            size.lists = size.lists.max(within.lists + used.lists);
        }
        self.sizes[at] = State::Known(size);
        self.check(definition, size)?;
        Ok(size)
    }

    fn check(&self, definition: &Definition<'_>, size: Size) -> Result<(), Excess> {
        let is_operation = definition.fragment.is_none();
        if size.fields > self.limits.fields {
            Err(Excess::Fields)
        } else if size.depth > self.limits.depth {
            Err(Excess::Depth)
        } else if is_operation && size.roots > self.limits.root_fields {
            Err(Excess::RootFields)
        } else if size.lists >= INTROSPECTION_LISTS {
            Err(Excess::Introspection)
        } else {
            Ok(())
        }
    }
}
