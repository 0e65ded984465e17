//! How libgit2 reaches `http(s)` and `ssh`: by reqwest, and by the user's own `ssh`.

mod http;
mod ssh;
mod ssh_refusal;
mod ssh_words;

use std::sync::OnceLock;

use git2::transport::{Transport, register};

/// Begins the messages of errors that mean a refused login; libgit2 passes on nothing but text.
pub(super) const DENIED: &str = "access denied: ";
/// The same for a host whose key is not known; what to do about it is in the next line.
pub(super) const UNKNOWN_HOST: &str = "unknown host: ";

/// Makes the transports known to libgit2, once in a process.
#[expect(
    unsafe_code,
    reason = "libgit2 keeps transports in a global list without a lock; the `OnceLock` lets one thread add to it, before any is used"
)]
pub(super) fn install() -> Result<(), git2::Error> {
    static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();
    let install = || {
        for scheme in ["http", "https"] {
            // SAFETY: no other code of refit registers transports, and every use of libgit2's remotes comes after this call.
            unsafe { register(scheme, |remote| Transport::smart(remote, true, http::Http::new())) }.map_err(|e| e.message().to_owned())?;
        }
        // SAFETY: as above.
        unsafe { register("ssh", |remote| Transport::smart(remote, false, ssh::Ssh::default())) }.map_err(|e| e.message().to_owned())
    };
    INSTALLED.get_or_init(install).clone().map_err(|why| git2::Error::from_str(&why))
}
