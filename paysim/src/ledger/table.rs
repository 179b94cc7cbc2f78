//! Objects by id, in the order in which they were made.

use std::collections::{BTreeMap, HashMap};

use crate::model::Row;

/// Objects of one kind.
pub(crate) struct Table<T> {
    rows: BTreeMap<u64, T>,
    index: HashMap<String, u64>,
    next: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), index: HashMap::new(), next: 0 }
    }
}

impl<T: Row> Table<T> {
    /// The object with that id.
    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.index.get(id).and_then(|place| self.rows.get(place))
    }

    /// Adds an object, or replaces the one of the same id in its place.
    pub(crate) fn put(&mut self, row: T) {
        let place = *self.index.entry(row.id().to_owned()).or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.rows.insert(place, row);
    }

    /// Removes the object with that id, if there is one.
    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(place) = self.index.remove(id) {
            self.rows.remove(&place);
        }
    }

    /// All objects, in the order of their making.
    pub(crate) fn oldest_first(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.values()
    }
}
