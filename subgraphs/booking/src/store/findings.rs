//! `booking.findings`: what reconciliation found, until it is right again or a person dealt with it.

use chrono::{DateTime, Utc};
use kernel::{FindingId, ShowId};
use sea_orm::{ConnectionTrait, FromQueryResult, QueryResult};
use serde_json::Value;
use uuid::Uuid;

use super::{StoreError, sql};
use crate::domain::finding::{Cause, Finding, Resolution, Subject};

/// A query for whole findings that goes on as given.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select show_id, finding_no, cause, subject, detail, first_seen, last_seen, repaired_at,
                    resolved_at, resolution, note, resolved_by
               from booking.findings ",
            $rest
        )
    };
}

#[derive(FromQueryResult)]
struct Row {
    show_id: Uuid,
    finding_no: i64,
    cause: String,
    subject: String,
    detail: Value,
    first_seen: DateTime<Utc>,
    last_seen: DateTime<Utc>,
    repaired_at: Option<DateTime<Utc>>,
    resolved_at: Option<DateTime<Utc>>,
    resolution: Option<String>,
    note: Option<String>,
    resolved_by: Option<String>,
}

fn finding(row: &QueryResult) -> Result<Finding, StoreError> {
    let row = Row::from_query_result(row, "")?;
    let cause = Cause::parse(&row.cause).ok_or_else(|| StoreError::corrupt("cause", &row.cause))?;
    let corrupt = StoreError::corrupt("subject", &row.subject);
    let resolution = row
        .resolution
        .map(|text| Resolution::parse(&text).ok_or_else(|| StoreError::corrupt("resolution", text)))
        .transpose()?;
    Ok(Finding {
        id: FindingId::from_db(row.show_id, row.finding_no),
        cause,
        subject: Subject::parse(cause.scope(), row.subject).ok_or(corrupt)?,
        first_seen: row.first_seen,
        last_seen: row.last_seen,
        repaired_at: row.repaired_at,
        resolved: row.resolved_at.zip(resolution),
        note: row.note,
        resolved_by: row.resolved_by,
        detail: row.detail,
    })
}

/// Something that is wrong now.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// The id that it gets if it was never seen before; its show is the finding's.
    pub id: FindingId,
    /// What is wrong.
    pub cause: Cause,
    /// With what.
    pub subject: &'a Subject,
    /// What both sides say: the same for as long as nothing changes.
    pub detail: &'a Value,
}

/// What is known of a finding that was seen.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its id.
    pub id: FindingId,
    /// Is it news?
    pub is_new: bool,
    /// Did a person deal with it? Then it stays as they left it.
    pub is_settled: bool,
    /// When a repair was last tried.
    pub repaired_at: Option<DateTime<Utc>>,
}

/// Writes down that something is wrong. Seen again it is the same finding. One that was right in
/// the meantime opens anew, without what was said of it then; one that a person has dealt with only
/// when its detail is another.
///
/// # Errors
/// When the table cannot be written.
pub async fn finding_record<C: ConnectionTrait>(conn: &C, seen: &Seen<'_>) -> Result<Known, StoreError> {
    let row = conn
        .query_one_raw(sql(
            "with earlier as (
                 select finding_no,
                        resolution is not distinct from 'manual' and detail = $5 as is_settled,
                        resolution is not null
                            and not (resolution = 'manual' and detail = $5) as is_back
                   from booking.findings
                  where show_id = $1 and cause = $3 and subject = $4
             ), recorded as (
                 insert into booking.findings as f
                        (show_id, finding_no, cause, subject, detail, first_seen, last_seen)
                 values ($1, $2, $3, $4, $5, booking.now(), booking.now())
                     on conflict on constraint findings_once do update
                    set detail = excluded.detail,
                        last_seen = excluded.last_seen,
                        first_seen = case when (select is_back from earlier)
                                          then excluded.first_seen else f.first_seen end,
                        repaired_at = case when (select is_back from earlier) then null else f.repaired_at end,
                        resolved_at = case when (select is_back from earlier) then null else f.resolved_at end,
                        resolution = case when (select is_back from earlier) then null else f.resolution end,
                        note = case when (select is_back from earlier) then null else f.note end,
                        resolved_by = case when (select is_back from earlier) then null else f.resolved_by end
                 returning finding_no, repaired_at
             )
             select r.finding_no, r.repaired_at,
                    coalesce(e.is_back, true) as is_new, coalesce(e.is_settled, false) as is_settled
               from recorded r left join earlier e using (finding_no)",
            [
                seen.id.show().uuid().into(),
                seen.id.local_i64().into(),
                seen.cause.as_str().into(),
                seen.subject.to_string().into(),
                seen.detail.clone().into(),
            ],
        ))
        .await?;
    let row = row.ok_or_else(|| StoreError::corrupt("finding", seen.subject))?;
    Ok(Known {
        id: FindingId::from_db(seen.id.show().uuid(), row.try_get("", "finding_no")?),
        is_new: row.try_get("", "is_new")?,
        is_settled: row.try_get("", "is_settled")?,
        repaired_at: row.try_get("", "repaired_at")?,
    })
}

/// Remembers that a repair was tried.
///
/// # Errors
/// When the table cannot be written.
pub async fn finding_mark_repaired<C: ConnectionTrait>(conn: &C, id: FindingId) -> Result<(), StoreError> {
    conn.execute_raw(sql(
        "update booking.findings set repaired_at = booking.now() where show_id = $1 and finding_no = $2",
        [id.show().uuid().into(), id.local_i64().into()],
    ))
    .await?;
    Ok(())
}

/// Ends what was found of `subject` by these causes, as the records agree again; also what a
/// person had dealt with, so that it would be news if it came back. Tells which were open.
///
/// # Errors
/// When the table cannot be written.
pub async fn finding_close<C: ConnectionTrait>(
    conn: &C,
    show: ShowId,
    subject: &Subject,
    causes: &[Cause],
) -> Result<Vec<(FindingId, Cause, Resolution)>, StoreError> {
    let causes: Vec<String> = causes.iter().map(|cause| cause.as_str().to_owned()).collect();
    let rows = conn
        .query_all_raw(sql(
            "with right_again as (
                 select show_id, finding_no, resolved_at is null as was_open
                   from booking.findings
                  where show_id = $1 and subject = $2 and cause = any($3)
                    and (resolved_at is null or resolution = 'manual')
                    for update
             )
             update booking.findings f
                set resolved_at = booking.now(),
                    resolution = case when r.was_open and f.repaired_at is not null
                                      then 'repaired' else 'healed' end
               from right_again r
              where f.show_id = r.show_id and f.finding_no = r.finding_no
             returning f.finding_no, f.cause, f.resolution, r.was_open",
            [show.uuid().into(), subject.to_string().into(), causes.into()],
        ))
        .await?;
    let mut closed = Vec::with_capacity(rows.len());
    for row in rows {
        let (cause, resolution): (String, String) =
            (row.try_get("", "cause")?, row.try_get("", "resolution")?);
        let cause = Cause::parse(&cause).ok_or_else(|| StoreError::corrupt("cause", &cause))?;
        let resolution =
            Resolution::parse(&resolution).ok_or_else(|| StoreError::corrupt("resolution", &resolution))?;
        if row.try_get("", "was_open")? {
            let id = FindingId::from_db(show.uuid(), row.try_get("", "finding_no")?);
            closed.push((id, cause, resolution));
        }
    }
    Ok(closed)
}

/// Ends an open finding for a person. `false` when it is not open (or not there).
///
/// # Errors
/// When the table cannot be written.
pub async fn finding_resolve<C: ConnectionTrait>(
    conn: &C,
    id: FindingId,
    note: &str,
    by: &str,
) -> Result<bool, StoreError> {
    let done = conn
        .execute_raw(sql(
            "update booking.findings
                set resolved_at = booking.now(), resolution = $3, note = $4, resolved_by = $5
              where show_id = $1 and finding_no = $2 and resolved_at is null",
            [
                id.show().uuid().into(),
                id.local_i64().into(),
                Resolution::Manual.as_str().into(),
                note.into(),
                by.into(),
            ],
        ))
        .await?;
    Ok(done.rows_affected() == 1)
}

/// One finding.
///
/// # Errors
/// When the table cannot be read.
pub async fn finding_get<C: ConnectionTrait>(conn: &C, id: FindingId) -> Result<Option<Finding>, StoreError> {
    let row = conn
        .query_one_raw(sql(
            select!("where show_id = $1 and finding_no = $2"),
            [id.show().uuid().into(), id.local_i64().into()],
        ))
        .await?;
    row.as_ref().map(finding).transpose()
}

/// Up to `limit` open findings, those first that were not seen for longest.
///
/// # Errors
/// When the table cannot be read.
pub async fn finding_list_open<C: ConnectionTrait>(conn: &C, limit: u32) -> Result<Vec<Finding>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            select!("where resolved_at is null order by last_seen, finding_no limit $1"),
            [i64::from(limit).into()],
        ))
        .await?;
    rows.iter().map(finding).collect()
}

/// Up to `limit` findings, open or not, those that were seen last first.
///
/// # Errors
/// When the table cannot be read.
pub async fn finding_list<C: ConnectionTrait>(conn: &C, limit: u32) -> Result<Vec<Finding>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            select!("order by last_seen desc, finding_no limit $1"),
            [i64::from(limit).into()],
        ))
        .await?;
    rows.iter().map(finding).collect()
}

/// How many findings are open, by cause; causes without any are left out.
///
/// # Errors
/// When the table cannot be read.
pub async fn finding_counts<C: ConnectionTrait>(conn: &C) -> Result<Vec<(Cause, u64)>, StoreError> {
    let rows = conn
        .query_all_raw(sql(
            "select cause, count(*) as findings
               from booking.findings
              where resolved_at is null
              group by cause",
            [],
        ))
        .await?;
    rows.iter()
        .map(|row| {
            let cause: String = row.try_get("", "cause")?;
            let findings: i64 = row.try_get("", "findings")?;
            let cause = Cause::parse(&cause).ok_or_else(|| StoreError::corrupt("cause", &cause))?;
            Ok((cause, findings.unsigned_abs()))
        })
        .collect()
}
