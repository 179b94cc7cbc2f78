//! Mutations, one per file.

mod change_password;
mod create_api_key;
mod log_in;
mod log_out;
mod log_out_everywhere;
mod refresh_session;
mod revoke_api_key;
mod sign_up;
mod update_profile;

use async_graphql::MergedObject;

/// The root of mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(
    sign_up::SignUpMutation,
    log_in::LogInMutation,
    refresh_session::RefreshSessionMutation,
    log_out::LogOutMutation,
    log_out_everywhere::LogOutEverywhereMutation,
    update_profile::UpdateProfileMutation,
    change_password::ChangePasswordMutation,
    create_api_key::CreateApiKeyMutation,
    revoke_api_key::RevokeApiKeyMutation,
);
