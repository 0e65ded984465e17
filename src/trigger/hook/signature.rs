//! Comparing what a sender shows with what only it can know, in a time that tells nothing about it.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// With which hash a body was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    /// Nexus's own; as an HMAC it is not broken.
    Sha1,
    Sha256,
    Sha512,
}

/// Whether `signature` is the HMAC of these parts under `key`. Takes as long for a right one as for a wrong one of the same length.
pub(super) fn is_signed(hash: Hash, key: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
    match hash {
        Hash::Sha1 => is_mac(Hmac::<Sha1>::new_from_slice(key).ok(), parts, signature),
        Hash::Sha256 => is_mac(Hmac::<Sha256>::new_from_slice(key).ok(), parts, signature),
        Hash::Sha512 => is_mac(Hmac::<Sha512>::new_from_slice(key).ok(), parts, signature),
    }
}

fn is_mac<M: Mac>(mac: Option<M>, parts: &[&[u8]], signature: &[u8]) -> bool {
    // An HMAC takes keys of any length; the type does not know that.
    let Some(mut mac) = mac else { return false };
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(signature).is_ok()
}

/// Whether two texts are the same. Their hashes are compared, so that not even the length of the secret one can be told.
pub(super) fn is_same(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a).ct_eq(&Sha256::digest(b)).into()
}

/// Bytes of pairs of hexadecimal digits, of any case.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples of RFC 2202 (SHA-1) and RFC 4231 (SHA-256, SHA-512), case 2.
    #[test]
    fn published_samples_are_signed_and_nothing_else_is() {
        let (key, body) = (b"Jefe", b"what do ya want for nothing?");
        for (hash, signature) in [
            (Hash::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Hash::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Hash::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ] {
            let signature = unhex(signature).unwrap();
            assert!(is_signed(hash, key, &[&body[..4], &body[4..]], &signature));
            assert!(!is_signed(hash, key, &[body, b"!"], &signature));
            assert!(!is_signed(hash, b"Jeff", &[body], &signature));
            assert!(!is_signed(hash, key, &[body], &signature[..10]), "a short one is not enough");
            assert!(!is_signed(hash, key, &[body], b""));
        }
    }

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(unhex("00fFa1"), Some(vec![0, 255, 0xa1]));
        for bad in ["0", "zz", "é", "+1", " 1"] {
            assert_eq!(unhex(bad), None, "{bad:?}");
        }
        assert!(is_same(b"a", b"a") && !is_same(b"a", b"ab") && !is_same(b"a", b""));
    }
}
