//! Client certificates for an engine behind TLS, read and checked before the first connection: a missing file would otherwise
//! show up only as the other side's complaint about a bad certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// Reads `ca.pem`, `cert.pem` and `key.pem` of a folder. Only that authority is trusted, not the machine's own.
pub(super) fn connector(folder: &Path) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(folder, "ca.pem")? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", folder.join("ca.pem").display()))?;
    }
    let chain = certificates(folder, "cert.pem")?;
    let key_file = folder.join("key.pem");
    let key = PrivateKeyDer::from_pem_file(&key_file).map_err(|error| unreadable(&key_file, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| format!("{} and cert.pem do not belong together: {error}", key_file.display()))?;
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(folder: &Path, name: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let file = folder.join(name);
    let found: Vec<_> =
        CertificateDer::pem_file_iter(&file).and_then(Iterator::collect).map_err(|error: rustls::pki_types::pem::Error| unreadable(&file, &error))?;
    if found.is_empty() { Err(format!("{} holds no certificate", file.display())) } else { Ok(found) }
}

fn unreadable(file: &Path, error: &rustls::pki_types::pem::Error) -> String {
    let why = match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    format!("{} cannot be read ({why}); TLS needs ca.pem, cert.pem and key.pem in that folder", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |folder: &Path| connector(folder).err().unwrap();
        assert!(refused(folder.path()).contains("ca.pem cannot be read (No such file"), "{}", refused(folder.path()));
        std::fs::write(folder.path().join("ca.pem"), "nothing").unwrap();
        assert!(refused(folder.path()).contains("ca.pem holds no certificate"), "{}", refused(folder.path()));
    }
}
