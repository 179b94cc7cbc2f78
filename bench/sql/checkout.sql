-- As subgraphs/booking/src/store/checkout.rs: booking, key, seats, allocations, audit entry and event in one statement.
with line as (
    select * from unnest(array[:seat, :seat2]::smallint[], array['A1', 'A2'], array['R', 'R'],
                         array[1200, 1200]::bigint[], array[100, 100]::bigint[], array[0, 0]::bigint[])
        as l(seat_no, label, kind, price_minor, fee_minor, tax_minor)
), booked as (
    insert into booking.bookings
        (show_id, booking_no, user_id, reference, status, version, hold_no, currency,
         subtotal_minor, fee_minor, tax_minor, total_minor, expires_at, created_at, updated_at, accepts_equivalent)
    values (lpad(to_hex(:show::bigint), 32, '0')::uuid, :n::bigint, gen_random_uuid(), 'R' || :n::text,
            'PENDING_PAYMENT', 1, :n::bigint, 'EUR', 2400, 200, 0, 2600,
            booking.now() + 900.0 * interval '1 second', booking.now(), booking.now(), false)
    returning created_at, expires_at
), keyed as (
    insert into booking.checkout_keys (show_id, user_id, idempotency_key, hold_no)
    values (lpad(to_hex(:show::bigint), 32, '0')::uuid, gen_random_uuid(), :n::text, :n::bigint)
), seated as (
    insert into booking.booking_seats
        (show_id, booking_no, seat_no, label, kind, price_minor, fee_minor, tax_minor)
    select lpad(to_hex(:show::bigint), 32, '0')::uuid, :n::bigint, seat_no, label, kind, price_minor, fee_minor, tax_minor
      from line
), claimed as (
    insert into booking.seat_allocations (show_id, seat_no, booking_no, sold)
    select lpad(to_hex(:show::bigint), 32, '0')::uuid, seat_no, :n::bigint, false from line order by seat_no
), audited as (
    insert into booking.audit
        (show_id, entity, entity_no, booking_no, from_state, to_state, seats, actor_kind, actor, reason, trace_id)
    values (lpad(to_hex(:show::bigint), 32, '0')::uuid, 'BOOKING', :n::bigint, :n::bigint, null, 'PENDING_PAYMENT',
            array[:seat, :seat2]::smallint[], 'USER', 'user_01jd0000000000000000000000', 'CHECKOUT', '0af7651916cd43dd8448eb211c80319c')
), told as (
    insert into booking.outbox (key, event_id, name, version, time, trace, body)
    select lpad(to_hex(:show::bigint), 32, '0')::uuid, gen_random_uuid(), 'booking.pending', 1, now(),
           '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
           jsonb_set('{"booking_id": "booking_01jd0000000000000000000000000000000000a", "user_id": "user_01jd0000000000000000000000",
             "reference": "K7Q2M9", "total": {"minor": 2600, "currency": "EUR"}, "expires_at": null, "seats": [
             {"index": 0, "seat_id": "seat_01jd0000000000000000000000", "label": "A1", "kind": "REGULAR", "price": {"minor": 1200, "currency": "EUR"}},
             {"index": 1, "seat_id": "seat_01jd0000000000000000000000", "label": "A2", "kind": "REGULAR", "price": {"minor": 1200, "currency": "EUR"}}]}'::jsonb,
             '{expires_at}', to_jsonb(expires_at))
      from booked
)
select created_at, expires_at from booked;

-- As payment_record_intent in subgraphs/booking/src/store/payments.rs.
with paid_for as materialized (
    select status, expires_at <= booking.now() as has_lapsed
      from booking.bookings where show_id = lpad(to_hex(:show::bigint), 32, '0')::uuid and booking_no = :n::bigint
       for share
), recorded as (
    insert into booking.payments as p
           (show_id, payment_no, booking_no, provider, provider_intent, client_secret, status, currency,
            amount_minor, created_at, updated_at, trace)
    select lpad(to_hex(:show::bigint), 32, '0')::uuid, :n::bigint, :n::bigint, 'stripe', 'pi_' || :n::text, 'secret',
           'REQUIRES_PAYMENT', 'EUR', 2600, booking.now(), booking.now(),
           '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' from paid_for
        on conflict on constraint payments_pkey do update
       set client_secret = coalesce(p.client_secret, excluded.client_secret),
           trace = coalesce(p.trace, excluded.trace)
    returning p.status, p.xmax = 0 as is_new
), audited as (
    insert into booking.audit
        (show_id, entity, entity_no, booking_no, from_state, to_state, seats, actor_kind, actor, reason, trace_id)
    select lpad(to_hex(:show::bigint), 32, '0')::uuid, 'PAYMENT', :n::bigint, :n::bigint, null, status, '{}', 'USER',
           'user_01jd0000000000000000000000', 'CHECKOUT', '0af7651916cd43dd8448eb211c80319c'
      from recorded where is_new
)
select status, has_lapsed from paid_for;
