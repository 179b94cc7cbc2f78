//! The paths that Rust code names: `use` trees spelt out, and paths within expressions.
//!
//! A tokeniser and no parser: enough to see which crates and modules a file names, however its
//! imports are grouped or broken over lines.

use std::{iter::Peekable, str::Chars};

/// A path such as `crate::store::Show`, with the line it is on.
pub(super) type Named = (usize, String);

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Colons,
    Open,
    Close,
    Comma,
    Star,
    Other,
}

/// All paths of two or more parts, and whole `use` trees.
pub(super) fn named(text: &str) -> Vec<Named> {
    let tokens = tokens(text);
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some((line, token)) = tokens.get(at) {
        match token {
            Token::Word(word) if word == "use" => {
                at += 1;
                tree(&tokens, &mut at, "", &mut paths);
            }
            Token::Word(word) => {
                let (line, mut path) = (*line, word.clone());
                at += 1;
                while let (Some((_, Token::Colons)), Some((_, Token::Word(word)))) =
                    (tokens.get(at), tokens.get(at + 1))
                {
                    path.push_str("::");
                    path.push_str(word);
                    at += 2;
                }
                if path.contains("::") {
                    paths.push((line, path));
                }
            }
            _ => at += 1,
        }
    }
    paths
}

/// One `use` tree below `prefix`.
fn tree(tokens: &[(usize, Token)], at: &mut usize, prefix: &str, paths: &mut Vec<Named>) {
    let mut path = prefix.to_owned();
    let mut join = |part: &str| {
        if !path.is_empty() {
            path.push_str("::");
        }
        path.push_str(part);
        path.clone()
    };
    let mut whole = prefix.to_owned();
    let mut line = 0;
    while let Some((token_line, token)) = tokens.get(*at) {
        match token {
            // `use a as b`: the new name is nobody's business.
            Token::Word(word) if word == "as" => {
                *at += 2;
                break;
            }
            Token::Word(word) => whole = join(word),
            Token::Star => whole = join("*"),
            Token::Colons => {}
            Token::Open => {
                *at += 1;
                while !matches!(tokens.get(*at), None | Some((_, Token::Close | Token::Other))) {
                    tree(tokens, at, &whole, paths);
                    if matches!(tokens.get(*at), Some((_, Token::Comma))) {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            Token::Close | Token::Comma | Token::Other => break,
        }
        line = *token_line;
        *at += 1;
    }
    if line > 0 {
        paths.push((line, whole));
    }
}

fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let code = code_only(text);
    let mut chars = code.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_alphabetic() || c == '_' {
            tokens.push((line, Token::Word(word(&mut chars))));
            continue;
        }
        chars.next();
        let token = match c {
            '\n' => {
                line += 1;
                continue;
            }
            c if c.is_whitespace() => continue,
            ':' if chars.peek() == Some(&':') => {
                chars.next();
                Token::Colons
            }
            '{' => Token::Open,
            '}' => Token::Close,
            ',' => Token::Comma,
            '*' => Token::Star,
            _ => Token::Other,
        };
        tokens.push((line, token));
    }
    tokens
}

fn word(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
        word.push(c);
    }
    word
}

/// The text with comments, strings and characters blanked; lines stay where they are.
pub(super) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        let end = match c {
            '/' if next == Some('/') => line_end(&chars, at),
            '/' if next == Some('*') => comment_end(&chars, at),
            '"' => string_end(&chars, at + 1),
            'r' if !in_word(&chars, at) => raw_string_end(&chars, at + 1).unwrap_or(at),
            '\'' => character_end(&chars, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            code.push(c);
            at += 1;
        } else {
            let blanked = chars.get(at..end).unwrap_or_default();
            code.extend(blanked.iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

fn in_word(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| chars.get(before));
    // `br"…"` is a raw string too.
    before.is_some_and(|c| (c.is_alphanumeric() && *c != 'b') || *c == '_')
}

fn line_end(chars: &[char], from: usize) -> usize {
    (from..chars.len()).find(|at| chars.get(*at) == Some(&'\n')).unwrap_or(chars.len())
}

fn comment_end(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while at < chars.len() {
        match (chars.get(at), chars.get(at + 1)) {
            (Some('/'), Some('*')) => {
                depth += 1;
                at += 2;
            }
            (Some('*'), Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    while let Some(c) = chars.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// After `r`: hashes, a quote, and the text up to a quote with as many hashes.
fn raw_string_end(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars.iter().skip(from).take_while(|c| **c == '#').count();
    if chars.get(from + hashes) != Some(&'"') {
        return None;
    }
    let mut at = from + hashes + 1;
    while at < chars.len() {
        let closes = chars.get(at) == Some(&'"')
            && chars.iter().skip(at + 1).take(hashes).filter(|c| **c == '#').count() == hashes;
        if closes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(chars.len())
}

/// `'x'` and `'\n'` are characters; `'a` is a lifetime.
fn character_end(chars: &[char], at: usize) -> Option<usize> {
    if chars.get(at + 1) == Some(&'\\') {
        let close = (at + 3..chars.len()).find(|at| chars.get(*at) == Some(&'\''))?;
        return Some(close + 1);
    }
    (chars.get(at + 2) == Some(&'\'')).then_some(at + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(usize, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(line, path)| (*line, (*path).to_owned())).collect();
        assert_eq!(named(text), expected, "{text}");
    }

    #[test]
    fn use_trees_are_spelt_out() {
        check("use a::b::C;", &[(1, "a::b::C")]);
        check(
            "use a::{self, b::{C, D as E}, f::*};\nuse x;",
            &[(1, "a::self"), (1, "a::b::C"), (1, "a::b::D"), (1, "a::f::*"), (2, "x")],
        );
        check("pub(crate) use crate::{\n    app,\n    store,\n};", &[(2, "crate::app"), (3, "crate::store")]);
    }

    #[test]
    fn paths_in_code_are_seen_and_text_is_not() {
        check(
            "fn f(x: lapin::Channel) -> crate::app::Y<'a> {}",
            &[(1, "lapin::Channel"), (1, "crate::app::Y")],
        );
        check(
            "// a::b\n/* c::d /* e::f */ */ let s = \"g::h\"; let r = r#\"i::\"j\"#; k::l();",
            &[(2, "k::l")],
        );
        check("let c = '\"'; m::n(); let d = '\\''; o::p();", &[(1, "m::n"), (1, "o::p")]);
    }
}
