//! The values of secrets, read when they are needed.

use tokio::io::AsyncReadExt;

use super::Notifier;
use crate::model::Secret;
use crate::pipeline::{GivenValue, SecretSource};

/// A token, a password or a key is smaller; a device or a log that is named by mistake is not read to its end.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

impl Notifier {
    /// The value of a secret, without the line breaks at its end that editors leave. The error names where it was looked for, never what was there.
    pub(super) async fn secret(&self, source: &SecretSource) -> Result<Secret, String> {
        let value = match source {
            SecretSource::Environment(name) => {
                self.environment.get(name).map(|value| value.reveal().to_vec()).ok_or_else(|| format!("variable {name} is not set"))?
            }
            SecretSource::File(path) => read(path).await.map_err(|error| format!("file {} cannot be read: {error}", path.display()))?,
        };
        let end = value.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        if end == 0 { Err(format!("{} is empty", shown(source))) } else { Ok(Secret::new(&value[..end])) }
    }

    /// A value as it was written, or as its secret has it.
    pub(super) async fn value(&self, value: &GivenValue) -> Result<Secret, String> {
        match value {
            GivenValue::Plain(text) => Ok(Secret::new(text.as_str())),
            GivenValue::Secret(source) => self.secret(source).await,
        }
    }
}

/// Where a secret comes from, in words.
pub(super) fn shown(source: &SecretSource) -> String {
    match source {
        SecretSource::File(path) => format!("file {}", path.display()),
        SecretSource::Environment(name) => format!("variable {name}"),
    }
}

async fn read(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    let mut value = Vec::new();
    tokio::fs::File::open(path).await?.take(SECRET_BYTES_MAX + 1).read_to_end(&mut value).await?;
    if value.len() as u64 > SECRET_BYTES_MAX {
        return Err(std::io::Error::other("it is larger than 64 KiB"));
    }
    Ok(value)
}
