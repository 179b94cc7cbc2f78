//! What the GraphQL subgraphs share: who is calling, how errors and refusals look, scalars,
//! paging, and the HTTP shell around a schema.
//!
//! Architecture invariant: no subgraph's own types here, and no rule of the business.

pub mod auth;
pub mod batched;
pub mod caller;
pub mod degraded;
pub mod directive;
pub mod document;
pub mod error;
pub mod limits;
pub mod paging;
pub mod scalar;
pub mod schemas;
pub mod sharing;
pub mod shell;
pub mod user_error;
pub mod validated;

mod operation;

pub use auth::{AuthConfig, Claims, TokenVerifier};
pub use batched::Batched;
pub use caller::{
    Caller, Grant, Identity, Role, RoleName, Scope, caller, refuse_keys, require_scope, require_user,
};
pub use directive::{AssumedSize, Cost, Paged, RequiresScopes};
pub use error::ApiError;
pub use limits::Limits;
pub use paging::{Connection, PageArgs};
pub use scalar::{CurrencyCode, Date, DecimalText, MoneyObject, SeatKind};
pub use schemas::Schemas;
