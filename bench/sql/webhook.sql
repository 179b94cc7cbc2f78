-- As provider_event_insert in subgraphs/booking/src/store/provider_events.rs: the provider's event and ours.
with received as (
    insert into booking.provider_events (show_id, provider, provider_event_id, kind, received_at)
    values (lpad(to_hex(:show::bigint), 32, '0')::uuid, 'stripe', 'evt_' || :n::text, 'payment_intent.succeeded', booking.now())
        on conflict on constraint provider_events_pkey do nothing
    returning show_id
)
insert into booking.outbox (key, event_id, name, version, time, trace, body)
select show_id, gen_random_uuid(), 'payment.succeeded', 1, now(),
       '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
       '{"payment_id": "payment_01jd0000000000000000000000000000000000a", "booking_id": "booking_01jd0000000000000000000000000000000000a",
         "provider": "stripe", "provider_intent_id": "pi_0123456789", "amount": {"minor": 2600, "currency": "EUR"}, "provider_event_id": "evt_0123456789"}'
  from received;
