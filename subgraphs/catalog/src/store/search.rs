//! Search over titles, people and theaters, by trigrams.

use sea_orm::{ConnectionTrait, FromQueryResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{StoreError, fetch, number, sql};
use crate::domain::like_pattern;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A movie, by its title or its people.
    Movie,
    /// A theater, by its name or address.
    Theater,
}

/// Where a hit stands: the best first, by thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct HitKey(i32, Uuid);

/// One thing that was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    /// What it is.
    pub found: Found,
    /// Its id.
    pub id: Uuid,
    score: i32,
}

impl Hit {
    /// Where it stands.
    pub(crate) const fn key(&self) -> HitKey {
        HitKey(self.score, self.id)
    }
}

#[derive(FromQueryResult)]
struct Row {
    is_movie: bool,
    id: Uuid,
    score: i32,
}

impl TryFrom<Row> for Hit {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let found = if row.is_movie { Found::Movie } else { Found::Theater };
        Ok(Self { found, id: row.id, score: row.score })
    }
}

/// `$1` is the folded text, `$2` a pattern for what contains it. The operators use the trigram
/// indexes: `<%` finds the text as part of a longer one, `%` whole short titles with a typo.
/// Rank: how well the text is found as a part, then how much else there is; a title counts more
/// than the names of people.
const HITS: &str = "
    (SELECT true AS is_movie, id, greatest(
                word_similarity($1, title_key) * 800 + similarity($1, title_key) * 200,
                word_similarity($1, people_key) * 700)::int AS score
       FROM catalog.movies
      WHERE $1 <% title_key OR title_key % $1 OR title_key LIKE $2 OR $1 <% people_key OR people_key LIKE $2
     UNION ALL
     SELECT false, id, (word_similarity($1, search_key) * 700 + similarity($1, search_key) * 200)::int
       FROM catalog.theaters
      WHERE $1 <% search_key OR search_key LIKE $2) h";

/// Up to `limit` hits for the folded `text` after `after`, the best first.
pub(crate) async fn search_page<C: ConnectionTrait>(
    conn: &C,
    text: &str,
    after: Option<HitKey>,
    limit: u64,
) -> Result<Vec<Hit>, StoreError> {
    let mut values = vec![text.into(), like_pattern(text).into()];
    let rest = match after {
        None => "true",
        Some(HitKey(score, id)) => {
            values.extend([score.into(), id.into()]);
            "(score < $3 OR (score = $3 AND id > $4))"
        }
    };
    let text = format!("SELECT * FROM {HITS} WHERE {rest} ORDER BY score DESC, id LIMIT {limit}");
    fetch::<_, Row, _>(conn, sql(text, values)).await
}

/// How many hits there are for the folded `text`.
pub(crate) async fn search_count<C: ConnectionTrait>(conn: &C, text: &str) -> Result<i64, StoreError> {
    let values = [text.into(), like_pattern(text).into()];
    number(conn, sql(format!("SELECT count(*) FROM {HITS}"), values)).await
}
