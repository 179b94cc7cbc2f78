//! Accounts.

use chrono::{DateTime, Utc};
use graphql_kit::Role;
use kernel::UserId;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _,
    QuerySelect as _, TryInsertResult, sea_query::Expr,
};

use super::entity::account::{ActiveModel, Column, Entity, Model, Roles};
use crate::domain::{Account, Email, Locale, Name, Profile, TimeZone};

/// An account with what proves that someone is its owner.
pub(crate) struct Credentials {
    pub account: Account,
    /// A PHC string.
    pub password_hash: String,
}

impl From<Model> for Account {
    fn from(row: Model) -> Self {
        Self {
            id: UserId::from_uuid(row.id),
            email: Email::from_db(row.email),
            profile: Profile {
                name: Name::from_db(row.name),
                locale: Locale::from_db(row.locale),
                time_zone: row.time_zone.map(TimeZone::from_db),
            },
            roles: row.roles.0,
            revision: row.revision,
            created_at: row.created_at,
        }
    }
}

impl From<Model> for Credentials {
    fn from(mut row: Model) -> Self {
        Self { password_hash: std::mem::take(&mut row.password_hash), account: row.into() }
    }
}

/// The email address belongs to another account.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EmailTaken;

/// Inserts an account; `accounts_email_key` decides between two of the same address.
pub(crate) async fn account_insert<C: ConnectionTrait>(
    conn: &C,
    account: &Account,
    password_hash: String,
) -> Result<Result<(), EmailTaken>, DbErr> {
    let row = ActiveModel {
        id: Set(account.id.uuid()),
        email: Set(account.email.as_str().to_owned()),
        name: Set(account.profile.name.as_str().to_owned()),
        password_hash: Set(password_hash),
        roles: Set(Roles(account.roles.clone())),
        locale: Set(account.profile.locale.as_str().to_owned()),
        time_zone: Set(zone_text(&account.profile)),
        revision: Set(account.revision),
        created_at: Set(account.created_at),
        updated_at: Set(account.created_at),
    };
    let inserted =
        Entity::insert(row).on_conflict_do_nothing_on([Column::Email]).exec_without_returning(conn).await?;
    Ok(match inserted {
        TryInsertResult::Inserted(1..) => Ok(()),
        _ => Err(EmailTaken),
    })
}

/// The accounts with these ids, in any order.
pub(crate) async fn account_list_by_ids<C: ConnectionTrait>(
    conn: &C,
    ids: &[UserId],
) -> Result<Vec<Account>, DbErr> {
    let rows = Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.uuid()))).all(conn).await?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// Whether an account has this address.
pub(crate) async fn account_exists<C: ConnectionTrait>(conn: &C, email: &Email) -> Result<bool, DbErr> {
    let found = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Email.eq(email.as_str()))
        .into_tuple::<uuid::Uuid>()
        .one(conn)
        .await?;
    Ok(found.is_some())
}

/// The account with this address, and its password hash.
pub(crate) async fn credentials_by_email<C: ConnectionTrait>(
    conn: &C,
    email: &Email,
) -> Result<Option<Credentials>, DbErr> {
    let row = Entity::find().filter(Column::Email.eq(email.as_str())).one(conn).await?;
    Ok(row.map(Credentials::from))
}

/// The account with this id, and its password hash.
pub(crate) async fn credentials_by_id<C: ConnectionTrait>(
    conn: &C,
    id: UserId,
) -> Result<Option<Credentials>, DbErr> {
    let row = Entity::find_by_id(id.uuid()).one(conn).await?;
    Ok(row.map(Credentials::from))
}

/// The account with this id.
pub(crate) async fn account_by_id<C: ConnectionTrait>(
    conn: &C,
    id: UserId,
) -> Result<Option<Account>, DbErr> {
    let row = Entity::find_by_id(id.uuid()).one(conn).await?;
    Ok(row.map(Account::from))
}

/// The account with this id, locked until the transaction ends.
pub(crate) async fn account_lock<C: ConnectionTrait>(conn: &C, id: UserId) -> Result<Option<Account>, DbErr> {
    let row = Entity::find_by_id(id.uuid()).lock_exclusive().one(conn).await?;
    Ok(row.map(Account::from))
}

/// The account with this id, locked until the transaction ends, if `password_hash` is still its
/// present one.
pub(crate) async fn account_lock_with_hash<C: ConnectionTrait>(
    conn: &C,
    id: UserId,
    password_hash: &str,
) -> Result<Option<Account>, DbErr> {
    let row = Entity::find_by_id(id.uuid())
        .filter(Column::PasswordHash.eq(password_hash))
        .lock_exclusive()
        .one(conn)
        .await?;
    Ok(row.map(Account::from))
}

/// The account with this address, locked until the transaction ends.
pub(crate) async fn account_lock_by_email<C: ConnectionTrait>(
    conn: &C,
    email: &Email,
) -> Result<Option<Account>, DbErr> {
    let row = Entity::find().filter(Column::Email.eq(email.as_str())).lock_exclusive().one(conn).await?;
    Ok(row.map(Account::from))
}

/// Writes the profile and the revision of a locked account.
pub(crate) async fn account_update_profile<C: ConnectionTrait>(
    conn: &C,
    account: &Account,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let profile = &account.profile;
    Entity::update_many()
        .col_expr(Column::Name, Expr::value(profile.name.as_str()))
        .col_expr(Column::Locale, Expr::value(profile.locale.as_str()))
        .col_expr(Column::TimeZone, Expr::value(zone_text(profile)))
        .col_expr(Column::Revision, Expr::value(account.revision))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(account.id.uuid()))
        .exec(conn)
        .await?;
    Ok(())
}

/// Writes the roles of a locked account.
pub(crate) async fn account_update_roles<C: ConnectionTrait>(
    conn: &C,
    id: UserId,
    roles: &[Role],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::Roles, Expr::value(Roles(roles.to_vec())))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id.uuid()))
        .exec(conn)
        .await?;
    Ok(())
}

/// Replaces the password hash `old`; false if it is not the present one any more.
pub(crate) async fn account_replace_password_hash<C: ConnectionTrait>(
    conn: &C,
    id: UserId,
    old: &str,
    new: &str,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let done = Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(new))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id.uuid()))
        .filter(Column::PasswordHash.eq(old))
        .exec(conn)
        .await?;
    Ok(done.rows_affected == 1)
}

fn zone_text(profile: &Profile) -> Option<String> {
    profile.time_zone.as_ref().map(|zone| zone.as_str().to_owned())
}
