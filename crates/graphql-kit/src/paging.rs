//! Pages of lists, by the [Relay connection rules](https://relay.dev/graphql/connections.htm).

use async_graphql::{
    OutputType, SimpleObject,
    connection::{self, CursorType, Edge, OpaqueCursor},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::ApiError;

/// The most nodes that one page may have.
pub const MAX_PAGE: i32 = 100;
/// How many nodes a page has when nobody says.
pub const DEFAULT_PAGE: i32 = 20;

/// A page of `T`s; `K` is the sort key that the cursor holds.
pub type Connection<K, T> = connection::Connection<OpaqueCursor<K>, T, TotalCount>;

/// What a connection costs when it is carried out, for the attribute `complexity`: itself, and what is
/// in it as often as there are nodes.
pub fn complexity(first: Option<i32>, child_complexity: usize) -> usize {
    let nodes = usize::try_from(first.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE)).unwrap_or(1);
    child_complexity.saturating_mul(nodes).saturating_add(1)
}

/// How long the whole list is.
#[derive(Debug, SimpleObject)]
pub struct TotalCount {
    /// How many nodes the list has over all pages.
    pub total_count: i64,
}

/// Which page is wanted: `limit` nodes after the sort key `after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageArgs<K> {
    /// From 1 to [`MAX_PAGE`].
    pub limit: u64,
    /// The last node of the page before.
    pub after: Option<K>,
}

impl<K: Serialize + DeserializeOwned> PageArgs<K> {
    /// Reads the arguments `first` and `after` of a connection field.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a page size out of range or a cursor that is none of ours.
    pub fn new(first: Option<i32>, after: Option<&str>) -> Result<Self, ApiError> {
        let first = first.unwrap_or(DEFAULT_PAGE);
        let limit = u64::try_from(first)
            .ok()
            .filter(|_| (1..=MAX_PAGE).contains(&first))
            .ok_or_else(|| ApiError::bad_input(format!("first must be from 1 to {MAX_PAGE}, not {first}")))?;
        let after = after
            .map(OpaqueCursor::<K>::decode_cursor)
            .transpose()
            .map_err(|_| ApiError::bad_input("after is not a cursor of this list; use pageInfo.endCursor"))?
            .map(|cursor| cursor.0);
        Ok(Self { limit, after })
    }

    /// How many rows to fetch: one more than the page, to learn whether there is a next one.
    pub const fn fetch(&self) -> u64 {
        self.limit + 1
    }

    /// Makes the page from up to [`fetch`](Self::fetch) rows in order.
    pub fn page<R, T: OutputType>(
        &self,
        mut rows: Vec<R>,
        total_count: i64,
        key: impl Fn(&R) -> K,
        node: impl Fn(R) -> T,
    ) -> Connection<K, T>
    where
        K: Send + Sync,
    {
        let limit = self.limit as usize;
        let has_next = rows.len() > limit;
        rows.truncate(limit);
        let mut page =
            Connection::with_additional_fields(self.after.is_some(), has_next, TotalCount { total_count });
        page.edges.extend(rows.into_iter().map(|row| {
            let cursor = OpaqueCursor(key(&row));
            Edge::new(cursor, node(row))
        }));
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_whether_more_follows() {
        let args = PageArgs::<u32>::new(Some(2), None).unwrap();
        let page = args.page(vec![1_u32, 2, 3], 9, |row| *row, |row| row as i32);
        assert!(page.has_next_page && !page.has_previous_page);
        let cursor = page.edges[1].cursor.encode_cursor();
        let next = PageArgs::<u32>::new(Some(2), Some(&cursor)).unwrap();
        assert_eq!(next.after, Some(2));
        assert!(!next.page(vec![3_u32], 9, |row| *row, |row| row as i32).has_next_page);
    }

    #[test]
    fn a_page_costs_as_much_as_it_may_have_nodes() {
        for (first, cost) in
            [(Some(1), 4), (None, 61), (Some(100), 301), (Some(i32::MAX), 301), (Some(-5), 4)]
        {
            assert_eq!(complexity(first, 3), cost);
        }
        assert_eq!(complexity(Some(100), usize::MAX), usize::MAX);
    }

    #[test]
    fn sizes_and_cursors_out_of_range_are_refused() {
        for first in [0, -1, 101] {
            assert!(PageArgs::<u32>::new(Some(first), None).is_err());
        }
        assert!(PageArgs::<u32>::new(None, Some("rubbish")).is_err());
    }
}
