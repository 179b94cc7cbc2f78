-- As payment_settle in subgraphs/booking/src/app/confirm.rs, statement by statement.
begin;
insert into booking.inbox (key, consumer, event_id)
values (lpad(to_hex(:show::bigint), 32, '0')::uuid, 'booking.payments', gen_random_uuid()) on conflict do nothing;
select b.show_id, b.booking_no, b.user_id, b.reference, b.status, b.version, b.hold_no, b.currency, b.subtotal_minor,
       b.fee_minor, b.tax_minor, b.total_minor, b.expires_at, b.created_at, b.updated_at, s.status as show_status
  from booking.bookings b
  join booking.shows s using (show_id)
 where b.show_id = lpad(to_hex(:show::bigint), 32, '0')::uuid and b.booking_no = :n::bigint
   for update of b;
select s.show_id, s.booking_no, s.seat_no, s.label, s.kind, s.price_minor, s.fee_minor, s.tax_minor, b.currency
  from unnest(array[lpad(to_hex(:show::bigint), 32, '0')::uuid], array[:n::bigint]) as want(show_id, booking_no)
  join booking.bookings b using (show_id, booking_no)
  join booking.booking_seats s using (show_id, booking_no)
 order by s.show_id, s.booking_no, s.seat_no;
with was as (
    select status from booking.payments
     where show_id = lpad(to_hex(:show::bigint), 32, '0')::uuid and payment_no = :n::bigint
), captured as (
    insert into booking.payments as p
           (show_id, payment_no, booking_no, provider, provider_intent, client_secret, status, currency,
            amount_minor, created_at, updated_at)
    values (lpad(to_hex(:show::bigint), 32, '0')::uuid, :n::bigint, :n::bigint, 'stripe', 'pi_' || :n::text, null,
            'SUCCEEDED', 'EUR', 2600, now(), now())
        on conflict on constraint payments_pkey do update
       set status = excluded.status, failure = null, currency = excluded.currency,
           amount_minor = excluded.amount_minor, updated_at = excluded.updated_at
     where p.status <> excluded.status
    returning p.status
)
insert into booking.audit
    (show_id, entity, entity_no, booking_no, from_state, to_state, seats, actor_kind, actor, reason, trace_id)
select lpad(to_hex(:show::bigint), 32, '0')::uuid, 'PAYMENT', :n::bigint, :n::bigint, (select status from was), status,
       '{}', 'PROVIDER', 'evt_0123456789', 'PAYMENT_SUCCEEDED', null
  from captured;
select seat_no
  from booking.seat_allocations
 where show_id = lpad(to_hex(:show::bigint), 32, '0')::uuid and seat_no = any(array[:seat, :seat2]::smallint[])
   and booking_no = :n::bigint
 order by seat_no
   for update;
with changed as (
    update booking.bookings b
       set status = 'CONFIRMED', version = 2, updated_at = now()
      from booking.bookings was
     where b.show_id = lpad(to_hex(:show::bigint), 32, '0')::uuid and b.booking_no = :n::bigint and b.version = 1
       and was.show_id = b.show_id and was.booking_no = b.booking_no
    returning b.show_id, b.booking_no, was.status as was, b.status
), issued as (
    insert into booking.tickets (show_id, ticket_no, booking_no, seat_no, code, issued_at)
    select c.show_id, t.ticket_no, c.booking_no, t.seat_no, t.code, now()
      from changed c,
           unnest(array[2 * :n::bigint, 2 * :n::bigint + 1], array[:seat, :seat2]::smallint[],
                  array[repeat('x', 180), repeat('y', 180)]) as t(ticket_no, seat_no, code)
), audited as (
    insert into booking.audit
        (show_id, entity, entity_no, booking_no, from_state, to_state, seats, actor_kind, actor, reason, trace_id)
    select show_id, 'BOOKING', booking_no, booking_no, was, status, array[:seat, :seat2]::smallint[], 'PROVIDER',
           'evt_0123456789', 'PAYMENT_SUCCEEDED', null
      from changed
)
update booking.seat_allocations a
   set sold = true
  from changed c
 where a.show_id = c.show_id and a.booking_no = c.booking_no and a.seat_no = any(array[:seat, :seat2]::smallint[]);
insert into booking.outbox (key, event_id, name, version, time, trace, body)
values (lpad(to_hex(:show::bigint), 32, '0')::uuid, gen_random_uuid(), 'booking.confirmed', 1, now(), null,
        '{"booking_id": "booking_01jd0000000000000000000000000000000000a", "user_id": "user_01jd0000000000000000000000",
          "reference": "K7Q2M9", "total": {"minor": 2600, "currency": "EUR"}, "seats": [
          {"index": 0, "seat_id": "seat_01jd0000000000000000000000", "label": "A1", "kind": "REGULAR", "price": {"minor": 1200, "currency": "EUR"}},
          {"index": 1, "seat_id": "seat_01jd0000000000000000000000", "label": "A2", "kind": "REGULAR", "price": {"minor": 1200, "currency": "EUR"}}],
          "show": {"title": "Metropolis", "theater_name": "Rift", "screen_name": "Screen 1", "time_zone": "Europe/Berlin"},
          "tickets": [{"ticket_id": "ticket_01jd0000000000000000000000000000000000a", "seat_label": "A1"},
          {"ticket_id": "ticket_01jd0000000000000000000000000000000000b", "seat_label": "A2"}]}');
commit;
