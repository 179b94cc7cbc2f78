//! Seats as runs of neighbours, the form of the records: `5-6,9-9`.

/// The runs of `seats`, which are ascending, as first and last.
pub(super) fn runs(seats: &[u16]) -> Vec<(u16, u16)> {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for &seat in seats {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(seat) => *last = seat,
            _ => runs.push((seat, seat)),
        }
    }
    runs
}

/// The text form of ascending `seats`.
pub(super) fn format(seats: &[u16]) -> String {
    let runs: Vec<String> = runs(seats).iter().map(|(first, last)| format!("{first}-{last}")).collect();
    runs.join(",")
}

/// The seats of a text form; `None` when it is none.
pub(super) fn parse(text: &str) -> Option<Vec<u16>> {
    let mut seats = Vec::new();
    for run in text.split(',').filter(|run| !run.is_empty()) {
        let (first, last) = run.split_once('-')?;
        seats.extend(first.parse::<u16>().ok()?..=last.parse::<u16>().ok()?);
    }
    Some(seats)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_are_one_run() {
        assert_eq!(format(&[5, 6, 9]), "5-6,9-9");
        assert_eq!(format(&[]), "");
        assert_eq!(parse("5-6,9-9"), Some(vec![5, 6, 9]));
        assert_eq!(parse("5"), None);
    }

    proptest! {
        #[test]
        fn seats_survive_text(seats: std::collections::BTreeSet<u16>) {
            let seats: Vec<u16> = seats.into_iter().collect();
            prop_assert_eq!(parse(&format(&seats)), Some(seats));
        }
    }
}
