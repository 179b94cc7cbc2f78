//! How many sockets and subscriptions may be open: in all, from one address, and for one caller.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kernel::{
    error::ErrorCode,
    id::{ApiKeyId, UserId},
};

use crate::{
    admission::{Caller, Subject, network},
    refusal::Refusal,
};

/// Places of one kind.
#[derive(Debug)]
pub(crate) struct Places {
    limits: Limits,
    /// The name of the metric that has how many are taken.
    gauge: &'static str,
    taken: Mutex<Taken>,
}

/// How many places there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) all: usize,
    pub(crate) per_address: usize,
    pub(crate) per_user: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<Holder, usize>,
}

/// Who can have only so many places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    /// Of IPv6 the network: see [`network`].
    Address(IpAddr),
    User(UserId),
    Key(ApiKeyId),
}

/// No place can be taken: there are no more of them…
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// …at all.
    All,
    /// …for the address.
    Address,
    /// …for the user or API key.
    User,
}

impl Full {
    /// The name in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "full",
            Self::Address => "address",
            Self::User => "user",
        }
    }

    /// What whoever subscribes is told.
    pub(crate) fn refusal(self) -> Refusal {
        let (code, message) = match self {
            Self::All => (ErrorCode::Unavailable, "Too many clients are connected. Try again."),
            Self::Address => (ErrorCode::RateLimited, "Too many subscriptions are open from your address."),
            Self::User => (ErrorCode::RateLimited, "You have too many subscriptions open."),
        };
        Refusal::new(code, message).with_retry_after(5)
    }
}

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    address: Option<Holder>,
    user: Option<Holder>,
}

impl Places {
    /// All free. `gauge` and `limit` are the names of the metrics of how many are taken and may be.
    pub(crate) fn new(limits: Limits, gauge: &'static str, limit: &'static str) -> Arc<Self> {
        metrics::gauge!(gauge).set(0);
        #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 sockets")]
        metrics::gauge!(limit).set(limits.all as f64);
        Arc::new(Self { limits, gauge, taken: Mutex::default() })
    }

    /// Takes a place for somebody at an address.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let address = (!address.is_loopback()).then_some(Holder::Address(network(address)));
        let mut taken = self.taken();
        if taken.all >= self.limits.all {
            return Err(Full::All);
        }
        if let Some(address) = address {
            taken.add(address, self.limits.per_address).ok_or(Full::Address)?;
        }
        taken.all += 1;
        metrics::gauge!(self.gauge).increment(1);
        Ok(Place { places: Arc::clone(self), address, user: None })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Counts the place as one of the caller, if that is known. A place can change hands.
    pub(crate) fn is_of(&mut self, caller: &Caller) -> Result<(), Full> {
        let user = match caller.subject() {
            Subject::Stranger => None,
            Subject::User(id) => Some(Holder::User(id)),
            Subject::Key { id, .. } => Some(Holder::Key(id)),
        };
        if user == self.user {
            return Ok(());
        }
        let mut taken = self.places.taken();
        if let Some(user) = user {
            taken.add(user, self.places.limits.per_user).ok_or(Full::User)?;
        }
        if let Some(before) = std::mem::replace(&mut self.user, user) {
            taken.remove(before);
        }
        Ok(())
    }
}

impl Taken {
    fn add(&mut self, holder: Holder, limit: usize) -> Option<()> {
        let count = self.by.entry(holder).or_default();
        // A limit is at least one, so no holder is left without a place.
        (*count < limit).then(|| *count += 1)
    }

    fn remove(&mut self, holder: Holder) {
        if let Some(count) = self.by.get_mut(&holder) {
            *count -= 1;
            if *count == 0 {
                self.by.remove(&holder);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        for holder in [self.address, self.user].into_iter().flatten() {
            taken.remove(holder);
        }
        metrics::gauge!(self.places.gauge).decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Arc<Places> {
        Places::new(Limits { all: 3, per_address: 2, per_user: 1 }, "taken", "limit")
    }

    #[test]
    fn an_address_has_only_so_many() {
        let places = places();
        let [first, second] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        let one = places.take(first).unwrap();
        let _two = places.take(first).unwrap();
        assert_eq!(places.take(first).unwrap_err(), Full::Address);
        let _other = places.take(second).unwrap();
        assert_eq!(places.take(second).unwrap_err(), Full::All);
        drop(one);
        places.take(first).unwrap();
        assert_eq!(places.taken().by.len(), 2);
    }

    #[test]
    fn the_addresses_of_a_network_of_ipv6_are_one() {
        let places = places();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let _one = places.take(address("2001:db8:1:2::1")).unwrap();
        let _two = places.take(address("2001:db8:1:2:3:4:5:6")).unwrap();
        assert_eq!(places.take(address("2001:db8:1:2::7")).unwrap_err(), Full::Address);
        places.take(address("2001:db8:1:3::1")).unwrap();
    }

    #[test]
    fn this_machine_may_have_all() {
        let places = places();
        let local = IpAddr::from([127, 0, 0, 1]);
        let _all: Vec<_> = (0..3).map(|_| places.take(local).unwrap()).collect();
        assert_eq!(places.take(local).unwrap_err(), Full::All);
    }
}
