//! Text as search compares it.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// `text` without case, accents and punctuation, its words with one space between: `Amélie!` and
/// `amelie` are the same. Both what is stored and what is asked for go through this.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    // Lower case first, for what decomposes only then (`İ`), and again for what decomposes into
    // capitals (`ℋ`).
    let letters = text.chars().flat_map(char::to_lowercase).nfkd().flat_map(char::to_lowercase);
    for c in letters.filter(|c| !is_combining_mark(*c)) {
        match plain(c) {
            Some(letters) => folded.push_str(letters),
            None if c.is_alphanumeric() => folded.push(c),
            // "it's" and "its" are one word.
            None if matches!(c, '\'' | '’' | 'ʼ') => {}
            None if !folded.is_empty() && !folded.ends_with(' ') => folded.push(' '),
            None => {}
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

/// Letters that Unicode does not decompose, but that people type without.
const fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'ı' => "i",
        'þ' => "th",
        _ => return None,
    })
}

/// A `LIKE` pattern for text that contains `folded`. Folded text has no wildcards to escape.
pub fn like_pattern(folded: &str) -> String {
    format!("%{folded}%")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_type_folds_to_what_is_stored() {
        let check = |text: &str, expected: &str| assert_eq!(fold(text), expected, "{text}");
        check("Amélie", "amelie");
        check("  WALL·E ", "wall e");
        check("It's a Wonderful Life", "its a wonderful life");
        check("Pan’s Labyrinth", "pans labyrinth");
        check("Dr. Strangelove or: How I…", "dr strangelove or how i");
        check("São Paulo, Straße 7", "sao paulo strasse 7");
        check("Tōhō 東宝", "toho 東宝");
        check("100% _ \\", "100");
        check("!?", "");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing_and_leaves_no_wildcards(text: String) {
            let folded = fold(&text);
            prop_assert!(!folded.contains(['%', '_', '\\']), "{folded}");
            prop_assert_eq!(fold(&folded), folded);
        }
    }
}
