//! Keys of partners, and what is done with them.

use sea_orm_migration::prelude::*;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r#"
CREATE TABLE users.api_keys (
    id              uuid        PRIMARY KEY,
    account_id      uuid        NOT NULL REFERENCES users.accounts (id) ON DELETE CASCADE,
    name            text        NOT NULL,
    -- SHA-256 of the secret; the secret itself is known to its holder only.
    secret_hash     bytea       NOT NULL,
    -- As in tokens: names separated by spaces.
    scopes          text        NOT NULL,
    rate_per_minute integer     NOT NULL,
    daily_quota     integer     NOT NULL,
    seats_per_show  integer     NOT NULL,
    created_at      timestamptz NOT NULL,
    -- The administrator; null when it was an operator at the command line.
    created_by      uuid        NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz NULL,
    revoked_by      uuid        NULL,
    -- Up to an hour older than the truth, so that using a key does not mean writing its row.
    last_used_at    timestamptz NULL,
    CONSTRAINT api_keys_hash_is_sha256 CHECK (octet_length(secret_hash) = 32),
    CONSTRAINT api_keys_scopes_not_empty CHECK (scopes <> ''),
    CONSTRAINT api_keys_limits_positive
        CHECK (rate_per_minute > 0 AND daily_quota > 0 AND seats_per_show > 0),
    CONSTRAINT api_keys_revoked_by_at_a_time CHECK (revoked_by IS NULL OR revoked_at IS NOT NULL)
);
-- Lists of an account's keys, newest first (ids grow with time).
CREATE INDEX api_keys_by_account ON users.api_keys (account_id, id DESC);

CREATE TABLE users.api_key_usage (
    key_id     uuid   NOT NULL REFERENCES users.api_keys (id) ON DELETE CASCADE,
    -- In UTC.
    day        date   NOT NULL,
    -- The class of operations that the gateway counted them under.
    class      text   NOT NULL,
    operations bigint NOT NULL,
    PRIMARY KEY (key_id, day, class),
    CONSTRAINT api_key_usage_not_negative CHECK (operations >= 0)
);
-- The purge.
CREATE INDEX api_key_usage_by_day ON users.api_key_usage (day);
"#;

const DOWN: &str = "DROP TABLE users.api_key_usage, users.api_keys;";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}
