-- As payable_list in subgraphs/booking/src/store/paid.rs, for one booking: what decides about a payment.
select b.show_id, b.booking_no, b.user_id, b.reference, b.status, b.version, b.hold_no, b.accepts_equivalent,
       b.currency, b.subtotal_minor, b.fee_minor, b.tax_minor, b.total_minor, b.expires_at, b.created_at, b.updated_at,
       booking.now() as read_at,
       s.status as show_status, p.status as payment_status, l.seat_no, l.label, l.kind, l.price_minor,
       l.fee_minor as seat_fee_minor, l.tax_minor as seat_tax_minor
  from booking.bookings b
  join booking.shows s on s.show_id = b.show_id
  join booking.booking_seats l on l.show_id = b.show_id and l.booking_no = b.booking_no
  left join booking.payments p on p.show_id = b.show_id and p.payment_no = :n::bigint
 where b.show_id = lpad(to_hex(:show::bigint), 32, '0')::uuid and b.booking_no = :n::bigint
 order by l.seat_no;

-- As sale_insert in the same file, for one booking: everything, if that still holds.
with booked as materialized (
    select b.show_id, b.booking_no
      from booking.bookings b
      join booking.shows s on s.show_id = b.show_id
     where b.show_id = lpad(to_hex(:show::bigint), 32, '0')::uuid and b.booking_no = :n::bigint and b.version = 1
       and b.status = 'PENDING_PAYMENT' and s.status = 'SCHEDULED'
       for update of b
), owned as materialized (
    select s.seat_no
      from booked b
      join booking.seat_allocations s
        on s.show_id = b.show_id and s.booking_no = b.booking_no
           and s.seat_no = any(array[:seat, :seat2]::smallint[])
     order by s.seat_no
       for update of s
), captured as (
    insert into booking.payments as p
           (show_id, payment_no, booking_no, provider, provider_intent, status, currency, amount_minor, created_at,
            updated_at)
    select show_id, :n::bigint, booking_no, 'stripe', 'pi_' || :n::text, 'SUCCEEDED', 'EUR', 2600, booking.now(),
           booking.now()
      from booked
     where (select count(*) from owned) = cardinality(array[:seat, :seat2]::smallint[])
        on conflict on constraint payments_pkey do update
       set status = excluded.status, failure = null, currency = excluded.currency,
           amount_minor = excluded.amount_minor, updated_at = excluded.updated_at
     where p.status = 'REQUIRES_PAYMENT' and p.booking_no = excluded.booking_no
    returning p.show_id, p.booking_no
), received as (
    insert into booking.inbox (key, consumer, event_id)
    select show_id, 'booking.payments', gen_random_uuid() from captured
        on conflict do nothing
), changed as (
    update booking.bookings b
       set status = 'CONFIRMED', version = 2, updated_at = booking.now()
      from captured c
     where b.show_id = c.show_id and b.booking_no = c.booking_no
), issued as (
    insert into booking.tickets (show_id, ticket_no, booking_no, seat_no, code, issued_at)
    select c.show_id, t.ticket_no, c.booking_no, t.seat_no, t.code, booking.now()
      from captured c,
           unnest(array[2 * :n::bigint, 2 * :n::bigint + 1], array[:seat, :seat2]::smallint[],
                  array[repeat('x', 180), repeat('y', 180)]) as t(ticket_no, seat_no, code)
), audited as (
    insert into booking.audit
        (show_id, entity, entity_no, booking_no, from_state, to_state, seats, actor_kind, actor, reason, trace_id)
    select c.show_id, e.entity, e.entity_no, c.booking_no, e.was, e.became, e.seats, 'PROVIDER', 'evt_0123456789',
           'PAYMENT_SUCCEEDED', '0af7651916cd43dd8448eb211c80319c'
      from captured c,
           (values ('PAYMENT', :n::bigint, 'REQUIRES_PAYMENT', 'SUCCEEDED', '{}'),
                   ('BOOKING', :n::bigint, 'PENDING_PAYMENT', 'CONFIRMED', array[:seat, :seat2]::smallint[]))
               as e (entity, entity_no, was, became, seats)
), told as (
    insert into booking.outbox (key, event_id, name, version, time, trace, body)
    select show_id, gen_random_uuid(), 'booking.confirmed', 1, now(),
           '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
           '{"booking_id": "booking_01jd0000000000000000000000000000000000a", "user_id": "user_01jd0000000000000000000000",
             "reference": "K7Q2M9", "total": {"minor": 2600, "currency": "EUR"}, "seats": [
             {"index": 0, "seat_id": "seat_01jd0000000000000000000000", "label": "A1", "kind": "REGULAR", "price": {"minor": 1200, "currency": "EUR"}},
             {"index": 1, "seat_id": "seat_01jd0000000000000000000000", "label": "A2", "kind": "REGULAR", "price": {"minor": 1200, "currency": "EUR"}}],
             "show": {"title": "Metropolis", "theater_name": "Rift", "screen_name": "Screen 1", "time_zone": "Europe/Berlin"},
             "tickets": [{"ticket_id": "ticket_01jd0000000000000000000000000000000000a", "seat_label": "A1"},
             {"ticket_id": "ticket_01jd0000000000000000000000000000000000b", "seat_label": "A2"}]}'
      from captured
)
update booking.seat_allocations a
   set sold = true
  from captured c, owned o
 where a.show_id = c.show_id and a.seat_no = o.seat_no;
