//! Accounts and what keeps them logged in.

use sea_orm_migration::prelude::*;

use crate::messaging;

/// See the module.
#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &str = r#"
CREATE TABLE users.accounts (
    id            uuid        PRIMARY KEY,
    -- Normalised by the application, so that equal mailboxes are equal bytes.
    email         text        NOT NULL,
    name          text        NOT NULL,
    -- PHC string: algorithm, parameters, salt and hash in one.
    password_hash text        NOT NULL,
    -- Array of role names, never empty.
    roles         jsonb       NOT NULL,
    locale        text        NOT NULL,
    time_zone     text        NULL,
    -- Rises with every change that other services are told of.
    revision      bigint      NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    CONSTRAINT accounts_email_key UNIQUE (email),
    CONSTRAINT accounts_email_normalised CHECK (email = lower(email)),
    CONSTRAINT accounts_roles_not_empty
        CHECK (jsonb_typeof(roles) = 'array' AND roles <> '[]'::jsonb)
);

CREATE TABLE users.sessions (
    id         uuid        PRIMARY KEY,
    account_id uuid        NOT NULL REFERENCES users.accounts (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Set when the session ended before its time.
    ended_at   timestamptz NULL,
    end_reason text        NULL,
    CONSTRAINT sessions_ended_with_reason CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);
-- Log-out everywhere.
CREATE INDEX sessions_by_account ON users.sessions (account_id);
-- The purge.
CREATE INDEX sessions_by_expiry ON users.sessions (expires_at);

CREATE TABLE users.refresh_tokens (
    -- SHA-256 of the token; the token itself is known to its holder only.
    hash       bytea       PRIMARY KEY,
    session_id uuid        NOT NULL REFERENCES users.sessions (id) ON DELETE CASCADE,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Each token is good for one refresh; a second one gives the thief away.
    used_at    timestamptz NULL,
    CONSTRAINT refresh_tokens_hash_is_sha256 CHECK (octet_length(hash) = 32)
);
CREATE INDEX refresh_tokens_by_session ON users.refresh_tokens (session_id);
CREATE INDEX refresh_tokens_by_expiry ON users.refresh_tokens (expires_at);

CREATE TABLE users.log_in_attempts (
    -- SHA-256 of the address: it may belong to nobody, and then it is not ours to keep.
    email_hash    bytea       PRIMARY KEY,
    failures      integer     NOT NULL,
    blocked_until timestamptz NULL,
    last_at       timestamptz NOT NULL,
    CONSTRAINT log_in_attempts_hash_is_sha256 CHECK (octet_length(email_hash) = 32)
);
CREATE INDEX log_in_attempts_by_time ON users.log_in_attempts (last_at);
"#;

const DOWN: &str = r#"
DROP TABLE users.log_in_attempts, users.refresh_tokens, users.sessions, users.accounts;
"#;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        messaging::create(manager, "users").await?;
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        messaging::drop(manager, "users").await
    }
}
