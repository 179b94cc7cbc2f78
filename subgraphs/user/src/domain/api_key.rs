//! Keys that partners' programs have instead of passwords.
//!
//! A key is `mk_`, 26 characters that are its id, `_`, and 43 characters that are its secret:
//! 256 random bits in base64url. The id is no secret: it finds the key without a search, and lists
//! and logs may show it. The prefix lets secret scanners find leaked keys.

use std::{collections::BTreeSet, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use graphql_kit::{Scope, auth::PartnerLimits};
use kernel::{ApiKeyId, IdSource, UserId};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Invalid, Name, invalid::Report};

const PREFIX: &str = "mk_";
/// What ids begin with as text.
const ID_PREFIX: &str = "key_";
const ID_LENGTH: usize = 26;
const SECRET_BYTES: usize = 32;
/// Base 64 without padding: four characters for three bytes, rounded up.
const SECRET_LENGTH: usize = (SECRET_BYTES * 4).div_ceil(3);
const LENGTH: usize = PREFIX.len() + ID_LENGTH + 1 + SECRET_LENGTH;

/// A key as its holder has it.
#[derive(Debug, Clone)]
pub struct KeyText {
    /// Which key.
    pub id: ApiKeyId,
    /// What proves that somebody holds it.
    pub secret: KeySecret,
}

impl KeyText {
    /// A new key with this id.
    pub fn generate(id: ApiKeyId, ids: &dyn IdSource) -> Self {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        ids.fill(&mut *bytes);
        Self { id, secret: KeySecret(URL_SAFE_NO_PAD.encode(*bytes).into()) }
    }

    /// The key in `text`; `None` if it has not the form of one, and so was never given out.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != LENGTH {
            return None;
        }
        let (id, secret) = text.strip_prefix(PREFIX)?.split_at_checked(ID_LENGTH)?;
        let id = format!("{ID_PREFIX}{id}").parse().ok()?;
        Some(Self { id, secret: KeySecret::parse(secret.strip_prefix('_')?)? })
    }

    /// The text, to be handed to the holder and nobody else.
    pub fn expose(&self) -> SecretString {
        format!("{}_{}", shown(self.id), self.secret.0.expose_secret()).into()
    }
}

/// The part of a key that anybody may see: all but the secret.
pub fn shown(id: ApiKeyId) -> String {
    let id = id.to_string();
    format!("{PREFIX}{}", id.strip_prefix(ID_PREFIX).unwrap_or(&id))
}

/// The secret part of a key.
#[derive(Debug, Clone)]
pub struct KeySecret(SecretString);

impl KeySecret {
    /// The secret in `text`; `None` if it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != SECRET_LENGTH {
            return None;
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).ok()?);
        (bytes.len() == SECRET_BYTES).then(|| Self(text.into()))
    }

    /// What is stored. A plain hash is enough: there is nothing to guess in 256 random bits.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0.expose_secret().as_bytes()).into())
    }
}

/// The SHA-256 of a secret, in its text form.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of a row; `None` if it is none.
    pub(crate) fn from_db(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The hash's bytes, as the database stores them.
    pub fn to_vec(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Whether both are of the same secret, in a time that does not tell where they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// A key as we know it.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id, `client_id` in tokens.
    pub id: ApiKeyId,
    /// The account that acts.
    pub account: UserId,
    /// What it may do, and how much.
    pub terms: Terms,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// By which administrator; `None`: an operator at the command line.
    pub created_by: Option<UserId>,
    /// Since when it is void, if it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When a token was made with it, up to [`USED_STEP`] ago.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// How exact [`ApiKey::last_used_at`] is.
pub const USED_STEP: TimeDelta = TimeDelta::hours(1);

/// Whether a key is good for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// It gives tokens.
    Active,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

impl ApiKey {
    /// Whether it is good for something at `now`.
    pub fn status(&self, now: DateTime<Utc>) -> KeyStatus {
        match self.revoked_at {
            Some(_) => KeyStatus::Revoked,
            None if self.terms.expires_at <= now => KeyStatus::Expired,
            None => KeyStatus::Active,
        }
    }

    /// Whether [`ApiKey::last_used_at`] should be written when the key is used at `now`.
    pub fn is_use_news(&self, now: DateTime<Utc>) -> bool {
        self.last_used_at.is_none_or(|last| now - last >= USED_STEP)
    }
}

/// What a key may do, how much, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What its makers call it.
    pub name: Name,
    /// What it may do; not empty.
    pub scopes: BTreeSet<Scope>,
    /// How much; all above zero.
    pub limits: PartnerLimits,
    /// It is void from this moment on.
    pub expires_at: DateTime<Utc>,
}

/// [`Terms`] as somebody asks for them.
#[derive(Debug, Clone)]
pub struct AskedTerms {
    /// 1 to 100 characters.
    pub name: String,
    /// At least one.
    pub scopes: BTreeSet<Scope>,
    /// Operations in a minute.
    pub rate_per_minute: i64,
    /// Operations in a day (UTC).
    pub daily_quota: i64,
    /// Seats of one show, held and booked together.
    pub seats_per_show: i64,
    /// When the key ends; without it, as late as possible.
    pub expires_at: Option<DateTime<Utc>>,
}

impl AskedTerms {
    /// Checks everything, for a key that is made at `now` and may live for `longest`.
    ///
    /// # Errors
    /// All fields that break a rule.
    pub fn check(self, now: DateTime<Utc>, longest: TimeDelta) -> Result<Terms, Vec<Invalid>> {
        let mut report = Report::default();
        let name = report.accept(Name::parse(&self.name));
        let scopes = report.accept(match self.scopes.is_empty() {
            true => Err(Invalid::new("scopes", "give at least one scope")),
            false => Ok(self.scopes),
        });
        let rate_per_minute = report.accept(within("ratePerMinute", self.rate_per_minute, 1_000_000));
        let daily_quota = report.accept(within("dailyQuota", self.daily_quota, 1_000_000_000));
        let seats_per_show = report.accept(within("seatsPerShow", self.seats_per_show, 10_000));
        let latest = now + longest;
        let expires_at = self.expires_at.unwrap_or(latest);
        if expires_at <= now || expires_at > latest {
            let days = longest.num_days();
            let message = format!("choose a time in the future, at most {days} days from now");
            report.accept::<()>(Err(Invalid::new("expiresAt", message)));
        }
        match (name, scopes, rate_per_minute, daily_quota, seats_per_show) {
            (Some(name), Some(scopes), Some(rate_per_minute), Some(daily_quota), Some(seats_per_show)) => {
                report.finish()?;
                let limits = PartnerLimits { rate_per_minute, daily_quota, seats_per_show };
                Ok(Terms { name, scopes, limits, expires_at })
            }
            _ => Err(report.into_refusals()),
        }
    }
}

fn within(field: &'static str, number: i64, most: u32) -> Result<u32, Invalid> {
    u32::try_from(number)
        .ok()
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| Invalid::new(field, format!("give a number from 1 to {most}")))
}

/// The scopes of a token for which `asked` came as `scope` (RFC 6749, section 3.3): those of the
/// key, or fewer.
///
/// `None`: something was asked for that the key has not, or nothing at all.
pub fn narrow(granted: &BTreeSet<Scope>, asked: Option<&str>) -> Option<BTreeSet<Scope>> {
    let Some(asked) = asked else { return Some(granted.clone()) };
    let asked: BTreeSet<Scope> = asked.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    asked.is_subset(granted).then_some(asked)
}

#[cfg(test)]
mod tests {
    use kernel::{Id, SystemIds};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn key(id: u128) -> KeyText {
        KeyText::generate(Id::from_uuid(Uuid::from_u128(id)), &SystemIds)
    }

    fn asked() -> AskedTerms {
        AskedTerms {
            name: " Box  office ".to_owned(),
            scopes: [Scope::CatalogRead].into(),
            rate_per_minute: 60,
            daily_quota: 1_000,
            seats_per_show: 8,
            expires_at: None,
        }
    }

    #[test]
    fn a_key_is_found_by_scanners_and_never_shown_by_accident() {
        let key = key(7);
        let text = key.expose();
        let text = text.expose_secret();
        assert_eq!(text.len(), 73);
        assert!(text.starts_with("mk_00000000000000000000000007_"), "{text}");
        assert_eq!(shown(key.id), "mk_00000000000000000000000007");
        let secret = key.secret.0.expose_secret();
        assert!(!format!("{key:?} {:?}", key.secret.hash()).contains(secret));
    }

    #[test]
    fn only_the_same_secret_has_the_same_hash() {
        let (one, two) = (key(1).secret.hash(), key(1).secret.hash());
        assert!(one.is(&SecretHash::from_db(&one.to_vec()).unwrap()) && !one.is(&two));
        assert!(SecretHash::from_db(&[0; 31]).is_none());
    }

    #[test]
    fn terms_are_checked_all_at_once() {
        let longest = TimeDelta::days(10);
        let terms = asked().check(NOW, longest).unwrap();
        assert_eq!((terms.name.as_str(), terms.expires_at), ("Box office", NOW + longest));

        let wrong = AskedTerms {
            name: String::new(),
            scopes: BTreeSet::new(),
            rate_per_minute: 0,
            daily_quota: -1,
            seats_per_show: i64::MAX,
            expires_at: Some(NOW),
        };
        let fields: Vec<_> =
            wrong.check(NOW, longest).unwrap_err().into_iter().map(|invalid| invalid.field).collect();
        assert_eq!(fields, ["name", "scopes", "ratePerMinute", "dailyQuota", "seatsPerShow", "expiresAt"]);
        let late = AskedTerms { expires_at: Some(NOW + TimeDelta::days(11)), ..asked() };
        assert_eq!(late.check(NOW, longest).unwrap_err()[0].field, "expiresAt");
    }

    #[test]
    fn a_key_ends_by_time_or_by_hand() {
        let terms = asked().check(NOW, TimeDelta::days(1)).unwrap();
        let mut key = ApiKey {
            id: key(1).id,
            account: Id::from_uuid(Uuid::nil()),
            terms,
            created_at: NOW,
            created_by: None,
            revoked_at: None,
            last_used_at: None,
        };
        assert_eq!(key.status(NOW), KeyStatus::Active);
        assert_eq!(key.status(NOW + TimeDelta::days(1)), KeyStatus::Expired);
        assert!(key.is_use_news(NOW));
        key.last_used_at = Some(NOW);
        assert!(!key.is_use_news(NOW + TimeDelta::minutes(59)) && key.is_use_news(NOW + USED_STEP));
        key.revoked_at = Some(NOW);
        assert_eq!(key.status(NOW + TimeDelta::days(2)), KeyStatus::Revoked);
    }

    #[test]
    fn a_token_may_have_fewer_scopes_and_never_more() {
        let granted = BTreeSet::from([Scope::CatalogRead, Scope::HoldsWrite]);
        assert_eq!(narrow(&granted, None), Some(granted.clone()));
        assert_eq!(narrow(&granted, Some("holds:write")), Some([Scope::HoldsWrite].into()));
        for more in ["bookings:write", "holds:write bookings:write", "account", "role:admin", "", " "] {
            assert_eq!(narrow(&granted, Some(more)), None, "{more:?}");
        }
    }

    proptest! {
        #[test]
        fn every_key_survives_text(id: u128) {
            let key = key(id);
            let again = KeyText::parse(key.expose().expose_secret()).unwrap();
            prop_assert_eq!(again.id, key.id);
            prop_assert!(again.secret.hash().is(&key.secret.hash()));
        }

        #[test]
        fn foreign_text_is_no_key(text: String, tail in "[0-9a-z_é-]{70}") {
            prop_assert!(KeyText::parse(&text).is_none());
            // Any length and any character: refused or understood, but never a panic, and what is
            // understood is exactly what was said.
            for text in [format!("mk_{tail}"), format!("mk_{text}")] {
                if let Some(key) = KeyText::parse(&text) {
                    prop_assert_eq!(key.expose().expose_secret().to_owned(), text);
                }
            }
        }

        #[test]
        fn one_wrong_character_is_another_key_or_none(at in 0..73_usize, with in "[0-9a-zA-Z_-]") {
            let key = key(9);
            let mut text = key.expose().expose_secret().to_owned();
            text.replace_range(at..=at, &with);
            if text != key.expose().expose_secret() && let Some(other) = KeyText::parse(&text) {
                prop_assert!(other.id != key.id || !other.secret.hash().is(&key.secret.hash()));
            }
        }
    }
}
