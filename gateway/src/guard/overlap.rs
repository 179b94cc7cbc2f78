//! What it would take to find out whether fields that answer under one name can be merged
//! ([section 5.3.2 of the specification](https://spec.graphql.org/October2021/#sec-Field-Selection-Merging)).
//! Validation compares every two of them, with all that is within, and every two fragments of a selection
//! set; 500 fields of one name are 125,000 comparisons. Here nothing is compared: it is counted how much
//! would be.

use std::collections::HashMap;

use super::{Excess, outline::Definition};

/// Something in a selection set. What is within an inline fragment is in the set around it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Selection<'t> {
    Field {
        /// The name that it answers under.
        key: &'t str,
        /// Its own selection set, by place in its definition. Without one it is empty.
        set: usize,
    },
    Fragment(&'t str),
}

/// Refuses a document whose comparisons would be more than `limit`, and stops there.
pub(super) fn check(
    definitions: &[Definition<'_>],
    fragments: &HashMap<&str, usize>,
    limit: usize,
) -> Result<(), Excess> {
    let mut overlap = Overlap { definitions, fragments, left: limit };
    (0..definitions.len()).try_for_each(|definition| overlap.merge(&[Place { definition, set: 0 }]).map(drop))
}

/// A selection set of a document.
#[derive(Debug, Clone, Copy)]
struct Place {
    definition: usize,
    set: usize,
}

struct Overlap<'d, 't> {
    definitions: &'d [Definition<'t>],
    fragments: &'d HashMap<&'t str, usize>,
    left: usize,
}

impl<'t> Overlap<'_, 't> {
    /// Counts what merging these sets into one takes. Tells how many fields they have together.
    fn merge(&mut self, places: &[Place]) -> Result<usize, Excess> {
        let (mut fields, mut spreads) = (Vec::new(), 0);
        for place in places {
            self.collect(*place, &mut fields, &mut spreads)?;
        }
        if spreads > 1 {
            // Each fragment is compared with each other, which is as much as several comparisons of fields.
            self.take(spreads * (spreads + fields.len()))?;
        }
        fields.sort_unstable_by_key(|(key, _)| *key);
        for same in fields.chunk_by(|(one, _), (other, _)| one == other) {
            let within: Vec<Place> = same.iter().map(|(_, place)| *place).collect();
            let merged = self.merge(&within)?;
            if let times @ 2.. = same.len() {
                // Every two of them, with what is within both.
                self.take(times * (times - 1) / 2 + times * merged)?;
            }
        }
        Ok(fields.len())
    }

    /// Adds the fields of a set, through fragments. None contains itself: that was looked at before.
    fn collect(
        &mut self,
        place: Place,
        fields: &mut Vec<(&'t str, Place)>,
        spreads: &mut usize,
    ) -> Result<(), Excess> {
        let definition = place.definition;
        let selections = self.definitions.get(definition).and_then(|found| found.sets.get(place.set));
        for selection in selections.into_iter().flatten() {
            match *selection {
                Selection::Field { key, set } => fields.push((key, Place { definition, set })),
                Selection::Fragment(name) => {
                    *spreads += 1;
                    // A fragment without fields counts for nothing else.
                    self.take(1)?;
                    if let Some(&definition) = self.fragments.get(name) {
                        self.collect(Place { definition, set: 0 }, fields, spreads)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, comparisons: usize) -> Result<(), Excess> {
        self.left = self.left.checked_sub(comparisons).ok_or(Excess::Overlap)?;
        Ok(())
    }
}
