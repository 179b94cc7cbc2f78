//! Mutations, one per file.

pub mod cancel_booking;
pub mod checkout;
pub mod extend_hold;
pub mod hold_best_available;
pub mod hold_seats;
pub mod release_hold;
pub mod set_show_challenge;

use async_graphql::MergedObject;

/// The root of mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(
    hold_seats::HoldSeatsMutation,
    hold_best_available::HoldBestAvailableMutation,
    extend_hold::ExtendHoldMutation,
    release_hold::ReleaseHoldMutation,
    checkout::CheckoutMutation,
    cancel_booking::CancelBookingMutation,
    set_show_challenge::SetShowChallengeMutation,
);
