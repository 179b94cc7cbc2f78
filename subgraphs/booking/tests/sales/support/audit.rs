//! What the audit trail says, and whether it is true.

use std::collections::{BTreeMap, HashMap};

use booking::domain::audit::{Change, Entity, Recorded};
use booking::store::audit::{AuditFilter, audit_list};
use kernel::BookingId;

use super::World;

impl World {
    /// Everything that was recorded of the show, or of one of its bookings; oldest first.
    pub async fn audit(&self, booking: Option<BookingId>) -> Vec<Recorded> {
        let filter = AuditFilter { show: self.show_id(), booking, seat: None };
        let mut entries = audit_list(&self.app.deps.pg, filter, None, u64::MAX).await.unwrap();
        entries.reverse();
        entries
    }

    /// The same in words: `BOOKING new > CONFIRMED, payment.succeeded by PROVIDER`.
    pub async fn story(&self, booking: BookingId) -> Vec<String> {
        self.audit(Some(booking)).await.iter().map(told).collect()
    }

    /// Fails unless the trail, played again, leads to what stands in the tables: each entry follows
    /// from the one before, and the last one of each thing says where it stands.
    pub async fn audit_is_true(&self) {
        let entries = self.audit(None).await;
        let mut states: HashMap<(Entity, String), &str> = HashMap::new();
        let mut steps: HashMap<String, i64> = HashMap::new();
        let mut owners: BTreeMap<u16, BookingId> = BTreeMap::new();
        for Recorded { entry, .. } in &entries {
            let change = entry.change;
            if !matches!(change.entity(), Entity::Show | Entity::Finding) {
                let before = states.get(&(change.entity(), change.id())).copied();
                assert_eq!(change.from(), before, "{} does not follow", change.id());
            }
            states.insert((change.entity(), change.id()), change.to());
            if let Change::Booking { id, from, to } = change {
                *steps.entry(id.to_string()).or_default() += 1;
                for seat in &entry.seats {
                    let owner = owners.get(seat).copied();
                    let owned = from.is_some_and(|from| from.owns_seats());
                    assert_eq!(owner == Some(id), owned, "{id} and seat {seat}, which {owner:?} has");
                    if to.owns_seats() {
                        assert!(owned || owner.is_none(), "seat {seat} is {owner:?}'s and {id}'s");
                        owners.insert(*seat, id);
                    } else if owned {
                        owners.remove(seat);
                    }
                }
            }
        }
        let tables = [
            (
                Entity::Booking,
                "select booking_no as no, status,
                        case when expires_at = created_at + interval '15 minutes' then version end as version
                   from booking.bookings",
            ),
            (
                Entity::Payment,
                "select payment_no as no, status, null::bigint as version from booking.payments",
            ),
            (Entity::Refund, "select refund_no as no, status, null::bigint as version from booking.refunds"),
        ];
        let show = self.show_id().uuid();
        for (entity, sql) in tables {
            for row in self.rows(sql).await {
                let no: i64 = row.try_get("", "no").unwrap();
                let status: String = row.try_get("", "status").unwrap();
                let version: Option<i64> = row.try_get("", "version").unwrap();
                let id = match entity {
                    Entity::Payment => kernel::PaymentId::from_db(show, no).to_string(),
                    Entity::Refund => kernel::RefundId::from_db(show, no).to_string(),
                    _ => BookingId::from_db(show, no).to_string(),
                };
                if let Some(version) = version {
                    assert_eq!(
                        steps.get(&id),
                        Some(&version),
                        "{id}: one entry for each version, unless the claim went on"
                    );
                }
                let told = states.remove(&(entity, id.clone()));
                assert_eq!(told, Some(status.as_str()), "{id}: what the trail says, and what is");
            }
        }
        states.retain(|(entity, _), _| !matches!(entity, Entity::Show | Entity::Hold | Entity::Finding));
        assert!(states.is_empty(), "the trail tells of what is not there: {states:?}");
        let owned = self.owned().await.into_iter().map(|(seat, booking, _)| (seat, booking));
        assert_eq!(owners.into_iter().collect::<Vec<_>>(), owned.collect::<Vec<_>>());
    }
}

/// An entry in words.
pub fn told(Recorded { entry, .. }: &Recorded) -> String {
    let (change, cause) = (entry.change, &entry.cause);
    format!(
        "{} {} > {}, {} by {}",
        change.entity().as_str(),
        change.from().unwrap_or("new"),
        change.to(),
        cause.reason.as_str(),
        cause.actor.kind().as_str()
    )
}
