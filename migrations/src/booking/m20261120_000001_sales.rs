//! What is sold, to whom, and what was paid for it.

use sea_orm_migration::prelude::*;

use crate::messaging;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

/// Every table of a show has `show_id` first in its primary key and in every unique and foreign
/// key, so that the tables can be distributed by it. The history is keyed by its reader instead.
const UP: &str = r#"
-- Our own copy of the catalog's shows, kept by its events.
CREATE TABLE booking.shows (
    show_id       uuid        PRIMARY KEY,
    -- The catalog's revision: an older event never overwrites a newer one.
    revision      bigint      NOT NULL,
    movie_id      uuid        NOT NULL,
    title         text        NOT NULL,
    theater_id    uuid        NOT NULL,
    theater_name  text        NOT NULL,
    screen_id     uuid        NOT NULL,
    screen_name   text        NOT NULL,
    starts_at     timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL,
    time_zone     text        NOT NULL,
    currency      text        NOT NULL,
    layout        text        NOT NULL,
    -- Seat numbers that are not on sale.
    blocked       smallint[]  NOT NULL,
    -- Minor units by code of the seat kind: {"R": 1200}.
    prices        jsonb       NOT NULL,
    status        text        NOT NULL DEFAULT 'SCHEDULED',
    cancel_reason text        NULL,
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT shows_status CHECK (status IN ('SCHEDULED', 'CANCELLED')),
    CONSTRAINT shows_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT shows_prices CHECK (jsonb_typeof(prices) = 'object')
);

-- No foreign key to shows: a show is another service's thing and its copy is one hot row, which
-- every checkout would have to lock.
CREATE TABLE booking.bookings (
    show_id         uuid        NOT NULL,
    booking_no      bigint      NOT NULL,
    user_id         uuid        NOT NULL,
    reference       text        NOT NULL,
    status          text        NOT NULL,
    -- One more with each change of status.
    version         bigint      NOT NULL,
    hold_no         bigint      NOT NULL,
    idempotency_key text        NOT NULL,
    -- SHA-256 of what the key was first used for.
    request_hash    bytea       NOT NULL,
    -- The idempotency key of the buyer's cancellation.
    cancel_key      text        NULL,
    currency        text        NOT NULL,
    subtotal_minor  bigint      NOT NULL,
    fee_minor       bigint      NOT NULL,
    tax_minor       bigint      NOT NULL,
    total_minor     bigint      NOT NULL,
    -- When an unpaid claim to the seats lapses.
    expires_at      timestamptz NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    CONSTRAINT bookings_pkey PRIMARY KEY (show_id, booking_no),
    -- A repeated checkout finds what the first one made.
    CONSTRAINT bookings_idempotency UNIQUE (show_id, user_id, idempotency_key),
    CONSTRAINT bookings_once_per_hold UNIQUE (show_id, hold_no),
    CONSTRAINT bookings_cancel_key UNIQUE (show_id, user_id, cancel_key),
    CONSTRAINT bookings_reference UNIQUE (show_id, reference),
    CONSTRAINT bookings_status CHECK (status IN
        ('PENDING_PAYMENT', 'CONFIRMED', 'CANCELLED', 'REFUNDED', 'EXPIRED', 'FAILED')),
    CONSTRAINT bookings_version CHECK (version >= 1),
    CONSTRAINT bookings_request_hash_is_sha256 CHECK (octet_length(request_hash) = 32),
    CONSTRAINT bookings_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT bookings_amounts CHECK (subtotal_minor >= 0 AND fee_minor >= 0 AND tax_minor >= 0
        AND total_minor = subtotal_minor + fee_minor + tax_minor)
);
-- Claims that lapsed.
CREATE INDEX bookings_overdue ON booking.bookings (expires_at) WHERE status = 'PENDING_PAYMENT';

-- The seats of a booking, with prices as they were when it was made; kept when it ends.
CREATE TABLE booking.booking_seats (
    show_id     uuid     NOT NULL,
    booking_no  bigint   NOT NULL,
    seat_no     smallint NOT NULL,
    label       text     NOT NULL,
    kind        text     NOT NULL,
    price_minor bigint   NOT NULL,
    fee_minor   bigint   NOT NULL,
    tax_minor   bigint   NOT NULL,
    CONSTRAINT booking_seats_pkey PRIMARY KEY (show_id, booking_no, seat_no),
    CONSTRAINT booking_seats_booking FOREIGN KEY (show_id, booking_no)
        REFERENCES booking.bookings (show_id, booking_no),
    CONSTRAINT booking_seats_seat CHECK (seat_no >= 0),
    CONSTRAINT booking_seats_amounts
        CHECK (price_minor >= 0 AND fee_minor >= 0 AND tax_minor >= 0)
);

-- Who owns a seat now: a row exists only while a pending or confirmed booking owns it. The
-- primary key is what makes it impossible to sell a seat twice.
CREATE TABLE booking.seat_allocations (
    show_id    uuid     NOT NULL,
    seat_no    smallint NOT NULL,
    booking_no bigint   NOT NULL,
    sold       boolean  NOT NULL,
    CONSTRAINT seat_allocations_pkey PRIMARY KEY (show_id, seat_no),
    CONSTRAINT seat_allocations_booking_seat FOREIGN KEY (show_id, booking_no, seat_no)
        REFERENCES booking.booking_seats (show_id, booking_no, seat_no)
);

-- One row for each intent at the provider. payment_no is computed from the intent's id, so the
-- primary key also says that an intent is known once.
CREATE TABLE booking.payments (
    show_id         uuid        NOT NULL,
    payment_no      bigint      NOT NULL,
    booking_no      bigint      NOT NULL,
    provider        text        NOT NULL,
    provider_intent text        NOT NULL,
    -- Lets a browser pay this one intent; null when we first heard of it by a webhook.
    client_secret   text        NULL,
    status          text        NOT NULL,
    failure         text        NULL,
    currency        text        NOT NULL,
    amount_minor    bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    CONSTRAINT payments_pkey PRIMARY KEY (show_id, payment_no),
    CONSTRAINT payments_booking FOREIGN KEY (show_id, booking_no)
        REFERENCES booking.bookings (show_id, booking_no),
    CONSTRAINT payments_status CHECK (status IN
        ('REQUIRES_PAYMENT', 'PROCESSING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
    CONSTRAINT payments_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT payments_amount CHECK (amount_minor >= 0)
);
CREATE INDEX payments_by_booking ON booking.payments (show_id, booking_no);

CREATE TABLE booking.refunds (
    show_id         uuid        NOT NULL,
    refund_no       bigint      NOT NULL,
    booking_no      bigint      NOT NULL,
    payment_no      bigint      NOT NULL,
    cause           text        NOT NULL,
    status          text        NOT NULL,
    currency        text        NOT NULL,
    amount_minor    bigint      NOT NULL,
    -- The provider's id, once it took the order.
    provider_refund text        NULL,
    failure         text        NULL,
    created_at      timestamptz NOT NULL,
    -- When refund.requested was last sent: while the refund is pending it is sent again.
    requested_at    timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    CONSTRAINT refunds_pkey PRIMARY KEY (show_id, refund_no),
    -- Money goes back once.
    CONSTRAINT refunds_once_per_payment UNIQUE (show_id, payment_no),
    CONSTRAINT refunds_payment FOREIGN KEY (show_id, payment_no)
        REFERENCES booking.payments (show_id, payment_no),
    CONSTRAINT refunds_cause CHECK (cause IN
        ('CANCELLED', 'SHOW_CANCELLED', 'LATE_PAYMENT', 'UNEXPECTED_PAYMENT')),
    CONSTRAINT refunds_status CHECK (status IN ('PENDING', 'SUCCEEDED', 'FAILED')),
    CONSTRAINT refunds_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT refunds_amount CHECK (amount_minor > 0)
);
CREATE INDEX refunds_by_booking ON booking.refunds (show_id, booking_no);
CREATE INDEX refunds_unsettled ON booking.refunds (requested_at) WHERE status = 'PENDING';

CREATE TABLE booking.tickets (
    show_id    uuid        NOT NULL,
    ticket_no  bigint      NOT NULL,
    booking_no bigint      NOT NULL,
    seat_no    smallint    NOT NULL,
    -- What the QR code says: signed, checkable without this table.
    code       text        NOT NULL,
    issued_at  timestamptz NOT NULL,
    voided_at  timestamptz NULL,
    CONSTRAINT tickets_pkey PRIMARY KEY (show_id, ticket_no),
    CONSTRAINT tickets_once_per_seat UNIQUE (show_id, booking_no, seat_no),
    CONSTRAINT tickets_booking_seat FOREIGN KEY (show_id, booking_no, seat_no)
        REFERENCES booking.booking_seats (show_id, booking_no, seat_no)
);
-- A seat has at most one ticket that opens the door.
CREATE UNIQUE INDEX tickets_one_valid_per_seat ON booking.tickets (show_id, seat_no)
    WHERE voided_at IS NULL;

-- Messages of the payment provider that were taken in.
CREATE TABLE booking.provider_events (
    show_id           uuid        NOT NULL,
    provider          text        NOT NULL,
    provider_event_id text        NOT NULL,
    kind              text        NOT NULL,
    received_at       timestamptz NOT NULL,
    CONSTRAINT provider_events_pkey PRIMARY KEY (show_id, provider, provider_event_id)
);
-- The purge.
CREATE INDEX provider_events_by_time ON booking.provider_events (received_at);

-- Read model: the bookings of a user, newest first.
CREATE TABLE booking.booking_history (
    user_id    uuid        NOT NULL,
    show_id    uuid        NOT NULL,
    booking_no bigint      NOT NULL,
    -- The booking's version that the row was made from: an older one never overwrites it.
    version    bigint      NOT NULL,
    status     text        NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT booking_history_pkey PRIMARY KEY (user_id, show_id, booking_no)
);
CREATE INDEX booking_history_newest
    ON booking.booking_history (user_id, created_at DESC, show_id DESC, booking_no DESC);
"#;

const DOWN: &str = r#"
DROP TABLE booking.booking_history, booking.provider_events, booking.tickets, booking.refunds,
    booking.payments, booking.seat_allocations, booking.booking_seats, booking.bookings,
    booking.shows;
"#;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        messaging::create(manager, "booking").await?;
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        messaging::drop(manager, "booking").await
    }
}
