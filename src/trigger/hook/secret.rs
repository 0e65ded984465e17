//! When a secret is good enough to authenticate a hook.

use crate::model::Secret;

/// A shorter secret can be guessed by trying. 16 random letters and digits are 95 bits.
pub const SECRET_BYTES_MIN: usize = 16;

/// The secret is too short to authenticate anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret has {bytes} bytes; a hook needs {SECRET_BYTES_MIN} at least, such as `openssl rand -hex 24` makes them")]
pub struct WeakSecret {
    /// How many bytes it has.
    pub bytes: usize,
}

/// A hook's secret of what a file or a variable holds: without the end of the line that editors add.
///
/// Errors with [`WeakSecret`] if it is shorter than [`SECRET_BYTES_MIN`].
pub fn usable(value: &[u8]) -> Result<Secret, WeakSecret> {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    if is_usable(value) { Ok(Secret::new(value)) } else { Err(WeakSecret { bytes: value.len() }) }
}

/// Asked again when a request is held against it: nothing that is empty by mistake lets anybody in.
pub(super) fn is_usable(value: &[u8]) -> bool {
    value.len() >= SECRET_BYTES_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_sixteen_bytes_without_the_end_of_its_line() {
        assert_eq!(usable(b"0123456789abcdef\r\n").unwrap().reveal(), b"0123456789abcdef");
        assert_eq!(usable(b"0123456789abcde\n").unwrap_err(), WeakSecret { bytes: 15 });
        assert!(usable(b"").is_err());
    }
}
