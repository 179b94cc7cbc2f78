//! What it would take to find out whether fields that answer under one name can be merged
//! ([section 5.3.2 of the specification](https://spec.graphql.org/October2021/#sec-Field-Selection-Merging)).
//! Validation compares every two of them, with all that is within, and every two fragments of a selection
//! set; 500 fields of one name are 125,000 comparisons. Here nothing is compared: it is counted how much
//! would be.

use std::collections::HashMap;

use super::{Excess, outline::Definition};

/// The selection set of a field or definition. What is within inline fragments is in the set around them.
#[derive(Debug, Default)]
pub(super) struct Selections<'t> {
    pub(super) all: Vec<Selection<'t>>,
    /// How many inline fragments it has.
    pub(super) inline: usize,
    /// How many of them are within each other. Validation takes each for a set of its own and looks at all
    /// that is within, so that what is within three is looked at four times.
    pub(super) levels: usize,
}

/// Something in a selection set.
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
    (0..definitions.len())
        .try_for_each(|definition| overlap.merge(&[Place { definition, set: 0 }], 1).map(drop))
}

/// To look an inline fragment through is as much as so many comparisons: its type is looked for.
const INLINE: usize = 4;

/// A selection set of a document.
#[derive(Debug, Clone, Copy)]
struct Place {
    definition: usize,
    set: usize,
}

/// What sets have together.
#[derive(Debug, Default)]
struct Merged<'t> {
    fields: Vec<(&'t str, Place)>,
    /// Uses of fragments.
    spreads: usize,
    /// As in [`Selections`].
    inline: usize,
    levels: usize,
}

struct Overlap<'d, 't> {
    definitions: &'d [Definition<'t>],
    fragments: &'d HashMap<&'t str, usize>,
    left: usize,
}

impl<'t> Overlap<'_, 't> {
    /// Counts what merging these sets into one takes, where all around them is looked at `times`. Tells what it
    /// is to look them through.
    fn merge(&mut self, places: &[Place], times: usize) -> Result<usize, Excess> {
        let mut merged = Merged::default();
        for place in places {
            self.collect(*place, &mut merged)?;
        }
        let Merged { mut fields, spreads, inline, levels } = merged;
        let times = times.max(1 + levels);
        let size = fields.len() + INLINE * inline;
        if spreads > 1 {
            // Each fragment is compared with each other, which is as much as several comparisons of fields.
            self.take(times * spreads * (spreads + size))?;
        }
        fields.sort_unstable_by_key(|(key, _)| *key);
        for same in fields.chunk_by(|(one, _), (other, _)| one == other) {
            let within: Vec<Place> = same.iter().map(|(_, place)| *place).collect();
            let size_within = self.merge(&within, times)?;
            if let count @ 2.. = same.len() {
                // Every two of them, with what is within both.
                self.take(times * (count * (count - 1) / 2 + count * size_within))?;
            }
        }
        Ok(size)
    }

    /// Adds what a set has, through fragments. None contains itself: that was looked at before.
    fn collect(&mut self, place: Place, merged: &mut Merged<'t>) -> Result<(), Excess> {
        let Place { definition, set } = place;
        let Some(selections) = self.definitions.get(definition).and_then(|found| found.sets.get(set)) else {
            return Ok(());
        };
        merged.inline += selections.inline;
        merged.levels = merged.levels.max(selections.levels);
        for selection in &selections.all {
            match *selection {
                Selection::Field { key, set } => merged.fields.push((key, Place { definition, set })),
                Selection::Fragment(name) => {
                    merged.spreads += 1;
                    // A fragment without fields counts for nothing else.
                    self.take(1)?;
                    if let Some(&definition) = self.fragments.get(name) {
                        self.collect(Place { definition, set: 0 }, merged)?;
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
