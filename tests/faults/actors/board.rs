//! What all actors could know of each other's things, for those who try what is not theirs.

use std::sync::{Mutex, PoisonError};

use rand::{RngExt, rngs::StdRng};

/// Ids that are remembered.
const RECENT: usize = 24;

/// Ids of holds and bookings with whose they are, the latest ones.
#[derive(Debug, Default)]
pub struct Board {
    holds: Mutex<Vec<(usize, String)>>,
    bookings: Mutex<Vec<(usize, String)>>,
}

impl Board {
    /// An actor got a hold.
    pub fn post_hold(&self, owner: usize, id: &str) {
        post(&self.holds, owner, id);
    }

    /// An actor got a booking.
    pub fn post_booking(&self, owner: usize, id: &str) {
        post(&self.bookings, owner, id);
    }

    /// A hold of somebody else.
    pub fn foreign_hold(&self, me: usize, rng: &mut StdRng) -> Option<String> {
        foreign(&self.holds, me, rng)
    }

    /// A booking of somebody else.
    pub fn foreign_booking(&self, me: usize, rng: &mut StdRng) -> Option<String> {
        foreign(&self.bookings, me, rng)
    }
}

fn post(list: &Mutex<Vec<(usize, String)>>, owner: usize, id: &str) {
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    if list.iter().any(|(_, known)| known == id) {
        return;
    }
    if list.len() == RECENT {
        list.remove(0);
    }
    list.push((owner, id.to_owned()));
}

fn foreign(list: &Mutex<Vec<(usize, String)>>, me: usize, rng: &mut StdRng) -> Option<String> {
    let list = list.lock().unwrap_or_else(PoisonError::into_inner);
    let others: Vec<&String> = list.iter().filter(|(owner, _)| *owner != me).map(|(_, id)| id).collect();
    let place = (!others.is_empty()).then(|| rng.random_range(0..others.len()))?;
    others.get(place).map(|id| (*id).clone())
}
