//! Places, movies, and shows that cannot overlap.

use sea_orm_migration::prelude::*;

use crate::messaging;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

// Both extensions are trusted: the owner of the database may create them. Other schemas may use
// them too, so going down leaves them.
const EXTENSIONS: &str = r#"
CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
"#;

const PLACES: &str = r#"
CREATE TABLE catalog.cities (
    id           uuid             PRIMARY KEY,
    slug         text             NOT NULL,
    name         text             NOT NULL,
    -- ISO 3166-1 alpha-2.
    country_code text             NOT NULL,
    -- IANA name.
    time_zone    text             NOT NULL,
    -- ISO 4217; all prices in the city are in it.
    currency     text             NOT NULL,
    -- Degrees, WGS 84.
    latitude     double precision NOT NULL,
    longitude    double precision NOT NULL,
    CONSTRAINT cities_slug_key UNIQUE (slug),
    CONSTRAINT cities_country_code_form CHECK (country_code ~ '^[A-Z]{2}$'),
    CONSTRAINT cities_currency_form CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT cities_position_on_earth
        CHECK (latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180)
);

CREATE TABLE catalog.theaters (
    id            uuid             PRIMARY KEY,
    city_id       uuid             NOT NULL REFERENCES catalog.cities (id),
    name          text             NOT NULL,
    address       text             NOT NULL,
    latitude      double precision NOT NULL,
    longitude     double precision NOT NULL,
    amenities     text[]           NOT NULL DEFAULT '{}',
    -- Seven entries, Monday first: {"opens": "10:00", "closes": "00:30"} in local time, or null.
    opening_hours jsonb            NOT NULL,
    -- Name and address as search compares them: folded by the application.
    search_key    text             NOT NULL,
    -- The target of shows' foreign key, which keeps their copy of city_id true.
    CONSTRAINT theaters_id_city_key UNIQUE (id, city_id),
    CONSTRAINT theaters_opening_hours_week CHECK (jsonb_array_length(opening_hours) = 7),
    CONSTRAINT theaters_position_on_earth
        CHECK (latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180)
);
-- Theaters of a city, by name, page by page.
CREATE INDEX theaters_by_city ON catalog.theaters (city_id, name, id);
-- All theaters, by name, page by page.
CREATE INDEX theaters_by_name ON catalog.theaters (name, id);
-- Theaters near a point: a bounding box first.
CREATE INDEX theaters_by_position ON catalog.theaters (latitude, longitude);
CREATE INDEX theaters_by_search_key ON catalog.theaters USING gin (search_key public.gin_trgm_ops);

CREATE TABLE catalog.screens (
    id         uuid     PRIMARY KEY,
    theater_id uuid     NOT NULL REFERENCES catalog.theaters (id),
    -- Order within the theater, from 1.
    number     smallint NOT NULL,
    name       text     NOT NULL,
    -- The text form of kernel::seating::Layout.
    layout     text     NOT NULL,
    -- What the equipment can show: 2D, 3D, IMAX.
    formats    text[]   NOT NULL,
    -- Rises with every change of the layout.
    revision   bigint   NOT NULL DEFAULT 1,
    CONSTRAINT screens_theater_number_key UNIQUE (theater_id, number),
    -- The target of shows' foreign key, which keeps their copy of theater_id true.
    CONSTRAINT screens_id_theater_key UNIQUE (id, theater_id),
    -- The last two bytes are where seat ids have the seat's index.
    CONSTRAINT screens_id_leaves_room_for_seats CHECK (right(id::text, 4) = '0000'),
    CONSTRAINT screens_formats_not_empty CHECK (cardinality(formats) > 0)
);
"#;

// Live events (concerts, plays, sport) will be another table beside this one, and another
// nullable reference in shows.
const MOVIES: &str = r#"
CREATE TABLE catalog.movies (
    id              uuid     PRIMARY KEY,
    title           text     NOT NULL,
    description     text     NOT NULL,
    -- Null until it is announced; such a movie cannot be scheduled.
    runtime_minutes smallint NULL,
    genres          text[]   NOT NULL,
    -- BCP 47, the main one first.
    languages       text[]   NOT NULL,
    certificate     text     NOT NULL,
    release_date    date     NOT NULL,
    -- The formats in which it can be had: 2D, 3D, IMAX.
    formats         text[]   NOT NULL,
    -- [{"name": …, "character": … or null}] in order of billing.
    cast_members    jsonb    NOT NULL DEFAULT '[]',
    -- [{"name": …, "job": "Director"}].
    crew            jsonb    NOT NULL DEFAULT '[]',
    poster_url      text     NULL,
    backdrop_url    text     NULL,
    trailer_url     text     NULL,
    -- {"imdb": "tt0034583"}.
    external_ids    jsonb    NOT NULL DEFAULT '{}',
    -- Kept with each review; the average is null while there is none.
    rating_average  numeric(3, 2) NULL,
    rating_count    integer  NOT NULL DEFAULT 0,
    -- As search compares them: folded by the application.
    title_key       text     NOT NULL,
    people_key      text     NOT NULL,
    CONSTRAINT movies_runtime_positive CHECK (runtime_minutes > 0),
    CONSTRAINT movies_languages_not_empty CHECK (cardinality(languages) > 0),
    CONSTRAINT movies_formats_not_empty CHECK (cardinality(formats) > 0),
    CONSTRAINT movies_rating_average_of_some CHECK ((rating_average IS NULL) = (rating_count = 0)),
    CONSTRAINT movies_rating_in_range CHECK (rating_average BETWEEN 1 AND 5 AND rating_count >= 0)
);
-- Newest first, page by page; the same backwards is "coming soon".
CREATE INDEX movies_by_release ON catalog.movies (release_date, id);
CREATE INDEX movies_by_genre ON catalog.movies USING gin (genres);
CREATE INDEX movies_by_title_key ON catalog.movies USING gin (title_key public.gin_trgm_ops);
CREATE INDEX movies_by_people_key ON catalog.movies USING gin (people_key public.gin_trgm_ops);
"#;

const SHOWS: &str = r#"
CREATE TABLE catalog.shows (
    id            uuid        PRIMARY KEY,
    -- Rises with every change that other services are told of.
    revision      bigint      NOT NULL DEFAULT 1,
    movie_id      uuid        NOT NULL REFERENCES catalog.movies (id),
    screen_id     uuid        NOT NULL,
    theater_id    uuid        NOT NULL,
    city_id       uuid        NOT NULL,
    starts_at     timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL,
    -- When the screen is clean and free for the next show.
    free_at       timestamptz NOT NULL,
    -- The day on which it starts, at the theater.
    local_date    date        NOT NULL,
    -- A show whose time is over counts as COMPLETED even while this still says SCHEDULED.
    status        text        NOT NULL DEFAULT 'SCHEDULED',
    cancel_reason text        NULL,
    format        text        NOT NULL,
    language      text        NOT NULL,
    subtitles     text[]      NOT NULL DEFAULT '{}',
    special       text        NULL,
    -- As the city's when it was scheduled.
    currency      text        NOT NULL,
    -- {"REGULAR": 1250, …}: minor units for each kind of seat on the screen.
    prices        jsonb       NOT NULL,
    -- Indices of the seats that are not on sale.
    blocked       smallint[]  NOT NULL DEFAULT '{}',
    -- Theater and city are copied for the indexes below; these keys keep the copies true.
    CONSTRAINT shows_screen_fkey FOREIGN KEY (screen_id, theater_id)
        REFERENCES catalog.screens (id, theater_id),
    CONSTRAINT shows_theater_fkey FOREIGN KEY (theater_id, city_id)
        REFERENCES catalog.theaters (id, city_id),
    CONSTRAINT shows_status_known CHECK (status IN ('SCHEDULED', 'CANCELLED', 'COMPLETED')),
    CONSTRAINT shows_format_known CHECK (format IN ('2D', '3D', 'IMAX')),
    CONSTRAINT shows_special_known CHECK (special IN ('PREMIERE', 'MARATHON')),
    CONSTRAINT shows_times_in_order CHECK (starts_at < ends_at AND ends_at <= free_at),
    CONSTRAINT shows_reason_of_cancelled CHECK (cancel_reason IS NULL OR status = 'CANCELLED'),
    -- One screen shows one thing at a time, and is cleaned in between.
    CONSTRAINT shows_no_overlap EXCLUDE USING gist
        (screen_id WITH =, tstzrange(starts_at, free_at) WITH &&) WHERE (status <> 'CANCELLED')
);
-- Showtimes of a movie in a city on a day.
CREATE INDEX shows_by_movie ON catalog.shows (movie_id, city_id, local_date, starts_at);
-- What a city is showing.
CREATE INDEX shows_by_city ON catalog.shows (city_id, starts_at) INCLUDE (movie_id);
-- A theater's day.
CREATE INDEX shows_by_theater ON catalog.shows (theater_id, local_date, starts_at);
-- Those to be marked as completed.
CREATE INDEX shows_unfinished ON catalog.shows (ends_at) WHERE status = 'SCHEDULED';
"#;

const DOWN: &str = r#"
DROP TABLE catalog.shows, catalog.movies, catalog.screens, catalog.theaters, catalog.cities;
"#;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        messaging::create(manager, "catalog").await?;
        for statements in [EXTENSIONS, PLACES, MOVIES, SHOWS] {
            manager.get_connection().execute_unprepared(statements).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        messaging::drop(manager, "catalog").await
    }
}
