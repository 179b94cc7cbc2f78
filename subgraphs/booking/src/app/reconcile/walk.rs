//! The way through a provider's list, which begins with the newest.
//!
//! Each pass reads the front: what was made since the last pass that did so, and before that as long
//! as something of it may still wait for what was lost. The rest, back to the end of the window, is read
//! now and then (`reconcile.whole_every_seconds`), for what changed late; when that is too much for one
//! pass, the next ones go on where the last one stopped.

use chrono::{DateTime, Utc};

use super::pass::{MOST_BATCHES, Pass};
use crate::app::AppError;
use crate::payments::ProviderError;
use crate::store::cursors::{cursor_get, cursor_set};

/// Where a pass is in a list.
#[derive(Debug)]
pub(super) struct Walk {
    /// Where the last pass stopped.
    kept: Option<String>,
    /// What the next page comes after.
    after: Option<String>,
    /// The front ends with what was made before this.
    front_from: DateTime<Utc>,
    /// Is the rest to be read, too?
    is_whole: bool,
    at_front: bool,
    pages: usize,
}

/// What to do after a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Read the next one.
    On,
    /// Read the next one, and remember that the rest begins there.
    OnFrom(String),
    /// That was enough for one pass; the next goes on from here.
    Stop(String),
    /// That was the front, and the rest is not due.
    Enough,
    /// That was all; the next pass begins anew.
    End,
}

impl Walk {
    /// `kept` is where the last pass stopped in the rest, which is read if that is so or if `is_due`.
    pub(super) fn new(kept: Option<String>, front_from: DateTime<Utc>, is_due: bool) -> Self {
        let is_whole = is_due || kept.is_some();
        Self { kept, after: None, front_from, is_whole, at_front: true, pages: 0 }
    }

    /// What the next page comes after.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Takes what a page told: what the next comes after, and when its oldest was made.
    pub(super) fn turn(&mut self, next: Option<String>, oldest: Option<DateTime<Utc>>) -> Turn {
        let Some(next) = next else { return Turn::End };
        self.pages += 1;
        let is_enough = self.pages >= MOST_BATCHES;
        if self.at_front {
            let is_through = oldest.is_some_and(|oldest| oldest < self.front_from);
            if is_through && !self.is_whole {
                return Turn::Enough;
            }
            if is_enough || is_through {
                (self.at_front, self.pages) = (false, 0);
                self.after = self.kept.take().or(Some(next));
            } else {
                self.after = Some(next);
            }
            return Turn::On;
        }
        self.after = Some(next.clone());
        if is_enough { Turn::Stop(next) } else { Turn::OnFrom(next) }
    }
}

impl Pass<'_> {
    /// Begins the way through a list.
    pub(super) async fn walk(&self, list: &str) -> Result<Walk, AppError> {
        let (config, pg) = (&self.app.config, &self.app.deps.pg);
        let front = moment(cursor_get(pg, &front(list)).await?).unwrap_or_else(|| self.window_from());
        // What was made since then may belong to a booking that still waited at the last pass.
        let front_from = front.min(self.settled_before()) - config.claim_ttl() - 2 * config.reconcile.every();
        let whole = moment(cursor_get(pg, &whole(list)).await?);
        let is_due =
            whole.is_none_or(|whole| self.settled_before() - whole >= config.reconcile.whole_every());
        Ok(Walk::new(cursor_get(pg, list).await?, front_from, is_due))
    }

    /// Remembers where the next pass goes on. `true` when this one does.
    pub(super) async fn goes_on(&mut self, list: &'static str, turn: Turn) -> Result<bool, AppError> {
        let (position, goes_on) = match turn {
            Turn::On => return Ok(true),
            Turn::OnFrom(at) => (Some(at), true),
            Turn::Stop(at) => {
                self.unfinished(list);
                (Some(at), false)
            }
            Turn::Enough => {
                self.read_to_here(&front(list)).await?;
                return Ok(false);
            }
            Turn::End => {
                self.read_to_here(&front(list)).await?;
                self.read_to_here(&whole(list)).await?;
                (None, false)
            }
        };
        cursor_set(&self.app.deps.pg, list, position.as_deref()).await?;
        Ok(goes_on)
    }

    /// Remembers that all was read that this pass looks at.
    async fn read_to_here(&self, name: &str) -> Result<(), AppError> {
        let here = self.settled_before().timestamp_micros().to_string();
        Ok(cursor_set(&self.app.deps.pg, name, Some(&here)).await?)
    }

    /// A page could not be had. When the provider does not accept the place that we went on from,
    /// that is forgotten, and the next pass begins anew.
    pub(super) async fn lost(
        &self,
        list: &str,
        after: Option<&str>,
        error: ProviderError,
    ) -> Result<(), AppError> {
        if after.is_none() || !matches!(error, ProviderError::Invalid { .. }) {
            return Err(error.into());
        }
        tracing::info!(list, after, %error, "the way through the list begins anew");
        Ok(cursor_set(&self.app.deps.pg, list, None).await?)
    }
}

/// Whose place it is until when the front was read.
fn front(list: &str) -> String {
    format!("{list}.front")
}

/// The same for the whole list.
fn whole(list: &str) -> String {
    format!("{list}.whole")
}

fn moment(position: Option<String>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(position?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    /// More than two passes read.
    const LENGTH: usize = 10 * (2 * MOST_BATCHES + 50);

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_900_000_000, 0).unwrap()
    }

    /// A list with an object each second, a page of ten at a time; gives the pages that a pass reads
    /// and where it leaves the next.
    fn pass(kept: Option<String>, length: usize, front: usize) -> (Vec<usize>, Option<String>) {
        walk(Walk::new(kept, now() - TimeDelta::seconds(front as i64), true), length)
    }

    fn walk(mut walk: Walk, length: usize) -> (Vec<usize>, Option<String>) {
        let mut read = Vec::new();
        loop {
            let first = walk.after().map_or(0, |after| after.parse::<usize>().unwrap() + 1);
            let last = (first + 9).min(length - 1);
            read.push(first / 10);
            let next = (last + 1 < length).then(|| last.to_string());
            match walk.turn(next, Some(now() - TimeDelta::seconds(last as i64))) {
                Turn::On | Turn::OnFrom(_) => {}
                Turn::Stop(at) => return (read, Some(at)),
                Turn::End | Turn::Enough => return (read, None),
            }
        }
    }

    #[test]
    fn a_short_list_is_read_in_one_pass() {
        assert_eq!(pass(None, 5, 100), (vec![0], None));
        assert_eq!(pass(None, 95, 20), ((0..10).collect(), None));
    }

    #[test]
    fn the_rest_is_left_alone_until_it_is_due_or_begun() {
        let front_from = now() - TimeDelta::seconds(25);
        assert_eq!(walk(Walk::new(None, front_from, false), 95), ((0..3).collect(), None));
        assert_eq!(walk(Walk::new(None, front_from, true), 95), ((0..10).collect(), None));
        let begun = Some("59".to_owned());
        assert_eq!(walk(Walk::new(begun, front_from, false), 95), (vec![0, 1, 2, 6, 7, 8, 9], None));
    }

    #[test]
    fn a_long_list_is_read_in_several_and_its_front_in_each() {
        let (first, kept) = pass(None, LENGTH, 25);
        assert_eq!(first, (0..3 + MOST_BATCHES).collect::<Vec<_>>());
        let (second, kept) = pass(kept, LENGTH, 25);
        let rest = first.len()..first.len() + MOST_BATCHES;
        assert_eq!(second, (0..3).chain(rest).collect::<Vec<_>>());
        let mut kept = kept;
        let mut read: Vec<usize> = first.into_iter().chain(second).collect();
        while kept.is_some() {
            let (pages, left_at) = pass(kept, LENGTH, 25);
            read.extend(pages);
            kept = left_at;
        }
        assert!((0..LENGTH / 10).all(|page| read.contains(&page)), "{read:?}");
    }
}
