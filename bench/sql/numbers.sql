-- Each transaction of each client has a booking number of its own: its show has a hundred bookings of two seats.
\set i :i + 1
\set n :base + :client_id * :per_client + :i
\set show :n / 100
\set seat (:n % 100) * 2
\set seat2 (:n % 100) * 2 + 1
