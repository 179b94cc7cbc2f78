//! How deep JSON is nested, without reading it.

/// Whether lists and objects are nested more than `limit` deep. Looks no further than that.
pub(super) fn is_deeper(json: &[u8], limit: usize) -> bool {
    let (mut depth, mut text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'[' | b'{' if !text => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b']' | b'}' if !text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::is_deeper;

    #[test]
    fn brackets_in_texts_are_no_nesting() {
        for (json, depth) in [("1", 0), ("[]", 1), (r#"{"a":[1,{"b":"[{\"["}]}"#, 3), (r#"["\\",[]]"#, 2)] {
            assert!(!is_deeper(json.as_bytes(), depth), "{json}");
            assert!(depth == 0 || is_deeper(json.as_bytes(), depth - 1), "{json}");
        }
    }
}
