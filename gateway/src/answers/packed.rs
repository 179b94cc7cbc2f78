//! What is kept is compressed once, and not for everybody who gets it.
//!
//! The router's middleware compresses answers on their way out; it leaves what says that it is gzip as it
//! is, when gzip is what it would have made of it. So only those get it from here of whom that is clear:
//! browsers, and most other clients, name gzip first and rank nothing.

use hive_router::config::traffic_shaping::{
    CompressionAlgorithmConfig, TrafficShapingRouterResponseCompressionConfig as Compression,
};
use ntex::{
    http::{
        HeaderMap,
        encoding::Encoder,
        header::{ACCEPT_ENCODING, ContentEncoding},
    },
    util::Bytes,
    web::HttpResponse,
};

use super::Answer;
use crate::request;

/// What an answer says of itself.
pub(crate) const GZIP: &str = "gzip";

impl Answer {
    /// The answer as the client with these headers would get it from the middleware with these settings,
    /// if that is gzip.
    pub(crate) async fn packed(&self, headers: &HeaderMap, settings: &Compression) -> Option<Bytes> {
        let is_worth_it = self.body.len() as u64 >= settings.min_size.to_bytes();
        let gets_gzip = || {
            let offers =
                settings.algorithms.iter().any(|kind| matches!(kind, CompressionAlgorithmConfig::Gzip));
            offers && headers.get(ACCEPT_ENCODING).is_some_and(|accepted| prefers_gzip(accepted.as_bytes()))
        };
        if !(settings.enabled && is_worth_it && gets_gzip()) {
            return None;
        }
        Some(self.packed.get_or_init(|| pack(self.body.clone())).await.clone())
    }
}

/// Whether a value of `Accept-Encoding` names gzip first and ranks nothing.
fn prefers_gzip(accepted: &[u8]) -> bool {
    let rest = accepted.strip_prefix(GZIP.as_bytes());
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b',')) && !rest.contains(&b';'))
}

async fn pack(body: Bytes) -> Bytes {
    let response = HttpResponse::Ok().body(body);
    let mut response = response.map_body(|head, body| Encoder::response(ContentEncoding::Gzip, head, body));
    request::read_answer(response.take_body()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_would_get_gzip_anyhow_gets_it() {
        for clear in ["gzip", "gzip, deflate, br, zstd", "gzip,br"] {
            assert!(prefers_gzip(clear.as_bytes()), "{clear}");
        }
        for other in ["", "br, gzip", "gzip;q=0", "gzip, br;q=1.0", "gzipped", "*", "identity", "x-gzip"] {
            assert!(!prefers_gzip(other.as_bytes()), "{other}");
        }
    }
}
