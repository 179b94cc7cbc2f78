//! Lists: `limit`, `starting_after`, `ending_before`, `created`, newest first,
//! <https://docs.stripe.com/api/pagination>.

use serde_json::{Value, json};

use crate::{error::StripeError, form::Params, model::Row};

/// Which part of a list is asked for.
pub(crate) struct Paging {
    limit: usize,
    starting_after: Option<String>,
    ending_before: Option<String>,
    /// Least and greatest time of making, both included.
    created: (i64, i64),
}

impl Paging {
    /// Takes the parameters that all lists share.
    pub(crate) fn take(params: &mut Params) -> Result<Self, StripeError> {
        let limit = params.integer("limit")?.unwrap_or(10);
        let limit =
            usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit)).ok_or_else(|| {
                StripeError::invalid_code(
                    "limit",
                    "parameter_invalid_integer",
                    "Limit must be between 1 and 100.",
                )
            })?;
        let mut created = (i64::MIN, i64::MAX);
        if let Some(mut range) = params.branch("created") {
            if let Some(after) = range.integer("gt")? {
                created.0 = after.saturating_add(1);
            }
            if let Some(from) = range.integer("gte")? {
                created.0 = created.0.max(from);
            }
            if let Some(before) = range.integer("lt")? {
                created.1 = before.saturating_sub(1);
            }
            if let Some(to) = range.integer("lte")? {
                created.1 = created.1.min(to);
            }
            range.finish()?;
        } else if let Some(at) = params.integer("created")? {
            created = (at, at);
        }
        Ok(Self {
            limit,
            starting_after: params.text("starting_after")?,
            ending_before: params.text("ending_before")?,
            created,
        })
    }

    /// The page out of `rows`, which come oldest first and filtered.
    pub(crate) fn page<'a, T: Row + 'a>(
        &self,
        url: &str,
        rows: impl DoubleEndedIterator<Item = &'a T>,
    ) -> Result<Value, StripeError> {
        self.page_of(url, rows, T::json)
    }

    /// The same, with each row as `show` has it.
    pub(crate) fn page_of<'a, T: Row + 'a>(
        &self,
        url: &str,
        rows: impl DoubleEndedIterator<Item = &'a T>,
        show: impl Fn(&T) -> Value,
    ) -> Result<Value, StripeError> {
        let within = |row: &&T| (self.created.0..=self.created.1).contains(&row.created());
        let newest_first: Vec<&T> = rows.rev().filter(within).collect();
        let place = |param: &str, id: &str| {
            newest_first
                .iter()
                .position(|row| row.id() == id)
                .ok_or_else(|| StripeError::no_such("object", id, param))
        };
        let start = match &self.starting_after {
            Some(id) => place("starting_after", id)? + 1,
            None => 0,
        };
        let end = match &self.ending_before {
            Some(id) => place("ending_before", id)?,
            None => newest_first.len(),
        };
        let asked = newest_first.get(start..end).unwrap_or_default();
        // Going backwards, the page is the one right before the given object.
        let page = if self.ending_before.is_some() {
            &asked[asked.len().saturating_sub(self.limit)..]
        } else {
            &asked[..asked.len().min(self.limit)]
        };
        Ok(json!({
            "object": "list",
            "url": url,
            "has_more": page.len() < asked.len(),
            "data": page.iter().map(|row| show(row)).collect::<Vec<_>>(),
        }))
    }
}
