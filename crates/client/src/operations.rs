//! The operations that clients use, by name.

use crate::ClientError;

/// The operations that clients already use; see the comment at the head of the file.
const DOCUMENT: &str = include_str!("../../../schema/operations.graphql");

/// The text of the operation `name` alone.
///
/// # Errors
/// [`ClientError::UnknownOperation`].
pub fn operation(name: &str) -> Result<&'static str, ClientError> {
    find(DOCUMENT, name).ok_or_else(|| ClientError::UnknownOperation(name.to_owned()))
}

fn find<'d>(document: &'d str, name: &str) -> Option<&'d str> {
    let start = ["query", "mutation", "subscription"].into_iter().find_map(|kind| {
        let head = format!("{kind} {name}");
        document
            .match_indices(&head)
            .map(|(at, _)| at)
            .find(|at| document[at + head.len()..].starts_with(['(', ' ', '{']))
    })?;
    let mut depth = 0;
    for (at, character) in document[start..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(&document[start..=start + at]),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_found_by_its_whole_name() {
        assert!(operation("SeatMap").unwrap().starts_with("query SeatMap("));
        assert!(operation("SeatMapChanged").unwrap().starts_with("subscription SeatMapChanged("));
        assert!(operation("Me").unwrap().ends_with("} }"));
        assert!(operation("Seat").is_err());
    }
}
