//! The tokens of a GraphQL document ([section 2.1 of the
//! specification](https://spec.graphql.org/October2021/#sec-Language.Source-Text)), without the cost of a
//! parser. It ends where the router's own lexer would refuse to go on, so that nothing is executed that
//! was not seen here.

/// A lexical token, as far as the outline of a document needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Name(&'t str),
    /// One of `! $ & ( ) : = @ [ ] { | }`.
    Punctuator(u8),
    Spread,
    /// A number or a string.
    Value,
}

/// Tokens one after the other, in time linear in the text. Ends before what is no token.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token, which stays the next.
    pub(super) fn peek(&self) -> Option<Token<'t>> {
        self.clone().next()
    }

    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn skip_ignored(&mut self) {
        loop {
            match self.rest() {
                [b' ' | b'\t' | b'\n' | b'\r' | b',', ..] => self.at += 1,
                // The byte order mark.
                [0xef, 0xbb, 0xbf, ..] => self.at += 3,
                [b'#', comment @ ..] => {
                    let end = comment.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                    self.at += end.map_or(comment.len() + 1, |end| end + 2);
                }
                _ => return,
            }
        }
    }

    /// Takes `length` bytes.
    fn take(&mut self, length: usize) -> &'t str {
        let from = self.at;
        self.at += length;
        self.text.get(from..self.at).unwrap_or_default()
    }
}

impl<'t> Iterator for Lexer<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        self.skip_ignored();
        let rest = self.rest();
        let length = match *rest.first()? {
            byte @ (b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|'
            | b'}') => {
                self.at += 1;
                return Some(Token::Punctuator(byte));
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
                return Some(Token::Name(self.take(length.count())));
            }
            b'.' if rest.starts_with(b"...") => {
                self.at += 3;
                return Some(Token::Spread);
            }
            b'-' | b'0'..=b'9' => 1 + rest.iter().skip(1).take_while(|byte| !ends_number(**byte)).count(),
            b'"' => string(rest)?,
            _ => return None,
        };
        self.at += length;
        Some(Token::Value)
    }
}

/// As in the router's lexer, which looks at the digits later.
const fn ends_number(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\n'
            | b'\r'
            | b'\t'
            | b','
            | b'#'
            | b'!'
            | b'$'
            | b':'
            | b'='
            | b'@'
            | b'|'
            | b'&'
            | b'('
            | b')'
            | b'['
            | b']'
            | b'{'
            | b'}'
    )
}

/// Bytes of the string that `rest` begins with; `None` if it does not end.
fn string(rest: &[u8]) -> Option<usize> {
    if let Some(block) = rest.strip_prefix(br#"""""#) {
        // As in the router's lexer, where quotes that are escaped take the two after them along.
        let mut at = 0;
        loop {
            at += block.get(at..)?.windows(3).position(|three| three == br#"""""#)?;
            let escaped = at.checked_sub(1).and_then(|before| block.get(before)) == Some(&b'\\');
            if !escaped {
                return Some(at + 6);
            }
            at += 3;
        }
    }
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return Some(at + 1),
            b'\n' => return None,
            _ => escaped = !escaped && *byte == b'\\',
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use hive_router::graphql_tools::parser::{TokenKind as Kind, spanned_tokens};
    use proptest::prelude::*;

    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        Lexer::new(text).collect()
    }

    #[test]
    fn tokens_are_what_the_specification_says() {
        let text =
            "\u{feff}query Q($a:[Int!]=-1.5e3){a:b(s:\"x\\\"}\",t:\"\"\"\n\"}\\\"\"\"{\"\"\")...F#}\n@x}";
        let names: Vec<_> = tokens(text)
            .into_iter()
            .filter_map(|token| if let Token::Name(name) = token { Some(name) } else { None })
            .collect();
        assert_eq!(names, ["query", "Q", "a", "Int", "a", "b", "s", "t", "F", "x"]);
        assert_eq!(tokens("\"open"), []);
        assert_eq!(tokens("a ? b"), [Token::Name("a")]);
    }

    /// What the router's own lexer makes of a text that it understands.
    fn of_router(text: &str) -> Option<Vec<Token<'_>>> {
        let tokens = spanned_tokens(text).ok()?;
        let token = |(kind, span): (Kind, std::ops::Range<usize>)| match (kind, &text[span]) {
            (Kind::Name, name) => Token::Name(name),
            (Kind::Punctuator, "...") => Token::Spread,
            (Kind::Punctuator, sign) => Token::Punctuator(sign.as_bytes()[0]),
            _ => Token::Value,
        };
        Some(tokens.into_iter().map(token).collect())
    }

    proptest! {
        #[test]
        fn the_router_sees_the_same_tokens(text in r#"([a-c_]|[0-9.e-]|["\\]|"""|\.\.\.|[{}()\[\]@:$!=|&]|[ ,\n\r\t#]|\u{feff}|é){0,40}"#) {
            if let Some(expected) = of_router(&text) {
                prop_assert_eq!(tokens(&text), expected);
            }
        }
    }
}
