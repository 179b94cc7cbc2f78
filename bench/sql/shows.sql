-- The shows of bookings FIRST to LAST.
insert into booking.shows
    (show_id, revision, movie_id, title, theater_id, theater_name, screen_id, screen_name, starts_at, ends_at, time_zone,
     currency, layout, blocked, prices)
select lpad(to_hex(n), 32, '0')::uuid, 1, gen_random_uuid(), 'Metropolis', gen_random_uuid(), 'Rift', gen_random_uuid(),
       'Screen 1', now() + interval '2 days', now() + interval '2 days 2 hours', 'Europe/Berlin', 'EUR', 'A:RR', '{}',
       '{"R": 1200}'
  from generate_series(FIRST::bigint / 100, LAST / 100) as n
    on conflict do nothing;
analyze booking.shows;
