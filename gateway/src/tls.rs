//! HTTPS without a proxy. The certificate is read again when its files have changed, so that renewing it
//! needs no restart.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use platform::Shutdown;
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::time::interval;

use crate::{GatewayError, Tls};

/// How often it is looked whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The certificate that new connections get.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: Tls,
    /// When the files were last changed, and what was in them.
    current: RwLock<(Stamp, Arc<CertifiedKey>)>,
}

/// When both files were changed; nothing if that cannot be told.
type Stamp = [Option<SystemTime>; 2];

impl Certificate {
    /// Reads the files. The process has a crypto provider by now.
    pub(crate) fn load(files: &Tls) -> Result<Arc<Self>, GatewayError> {
        let stamp = stamp(files);
        let key = read(files)?;
        Ok(Arc::new(Self { files: files.clone(), current: RwLock::new((stamp, Arc::new(key))) }))
    }

    /// The settings of a server that has this certificate.
    pub(crate) fn server(self: &Arc<Self>) -> ServerConfig {
        ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::clone(self) as _)
    }

    /// Reads the files again when they have changed, until the shutdown begins.
    pub(crate) async fn follow(self: Arc<Self>, shutdown: Shutdown) {
        let mut looks = interval(LOOK_EVERY);
        let token = shutdown.token();
        while token.run_until_cancelled(looks.tick()).await.is_some() {
            self.look();
        }
    }

    fn look(&self) {
        let now = stamp(&self.files);
        if now == self.current.read().unwrap_or_else(PoisonError::into_inner).0 {
            return;
        }
        match read(&self.files) {
            Ok(key) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = (now, Arc::new(key));
                tracing::info!(certificate = %self.files.certificate.display(), "the certificate was renewed");
            }
            // Perhaps only one of the two is written yet.
            Err(error) => tracing::warn!(%error, "the new certificate cannot be used; the old one stays"),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).1))
    }
}

fn stamp(files: &Tls) -> Stamp {
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    [changed(&files.certificate), changed(&files.key)]
}

fn read(files: &Tls) -> Result<CertifiedKey, GatewayError> {
    let refused = |path: &Path, reason: String| GatewayError::Tls { path: path.to_path_buf(), reason };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(refused(&files.certificate, "it has no certificate in PEM".to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_file(&files.key).map_err(|error| refused(&files.key, error.to_string()))?;
    let provider = CryptoProvider::get_default()
        .ok_or_else(|| refused(&files.key, "this build has no cryptography".to_owned()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| refused(&files.key, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> std::path::PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "tests/fixture/tls", name].iter().collect()
    }

    #[test]
    fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
        hive_router::init_rustls_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        let files = Tls { certificate: folder.path().join("a.pem"), key: folder.path().join("a.key") };
        let put = |name: &str| {
            std::fs::copy(fixture(&format!("{name}.pem")), &files.certificate).unwrap();
            std::fs::copy(fixture(&format!("{name}.key.pem")), &files.key).unwrap();
        };
        put("first");
        let certificate = Certificate::load(&files).unwrap();
        let current = || certificate.current.read().unwrap().1.end_entity_cert().unwrap().to_vec();
        let first = current();
        certificate.look();
        assert_eq!(current(), first);

        std::fs::write(&files.certificate, "nothing").unwrap();
        certificate.look();
        assert_eq!(current(), first);

        put("second");
        certificate.look();
        assert_ne!(current(), first);
    }
}
