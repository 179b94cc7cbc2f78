-- Bookings FIRST to LAST, pending, with their seats, allocations and payments, as sql/checkout.sql makes them.
insert into booking.bookings
    (show_id, booking_no, user_id, reference, status, version, hold_no, currency,
     subtotal_minor, fee_minor, tax_minor, total_minor, expires_at, created_at, updated_at)
select lpad(to_hex(n / 100), 32, '0')::uuid, n, gen_random_uuid(), 'R' || n, 'PENDING_PAYMENT', 1, n, 'EUR',
       2400, 200, 0, 2600, now() + interval '15 minutes', now(), now()
  from generate_series(FIRST::bigint, LAST) as n;
insert into booking.booking_seats (show_id, booking_no, seat_no, label, kind, price_minor, fee_minor, tax_minor)
select lpad(to_hex(n / 100), 32, '0')::uuid, n, (n % 100) * 2 + s, 'A' || s, 'R', 1200, 100, 0
  from generate_series(FIRST::bigint, LAST) as n, generate_series(0, 1) as s;
insert into booking.seat_allocations (show_id, seat_no, booking_no, sold)
select lpad(to_hex(n / 100), 32, '0')::uuid, (n % 100) * 2 + s, n, false
  from generate_series(FIRST::bigint, LAST) as n, generate_series(0, 1) as s;
insert into booking.payments
    (show_id, payment_no, booking_no, provider, provider_intent, client_secret, status, currency, amount_minor,
     created_at, updated_at)
select lpad(to_hex(n / 100), 32, '0')::uuid, n, n, 'stripe', 'pi_' || n, 'secret', 'REQUIRES_PAYMENT', 'EUR', 2600,
       now(), now()
  from generate_series(FIRST::bigint, LAST) as n;
analyze booking.bookings, booking.booking_seats, booking.seat_allocations, booking.payments;
