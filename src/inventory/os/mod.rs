//! What a distribution keeps of its packages: the lists of dpkg, apk and rpm, Debian's files of licences, and which distribution it is.
//!
//! In: one file's path and bytes, as an image has it. Out: what it says, and what in it could not be read. Everything here may have been made by
//! somebody with bad intentions: nothing is allocated or repeated by a number that a file claims.

pub mod apk;
pub mod copyright;
mod debian_license;
pub mod dpkg;
pub mod os_release;
mod records;
pub mod rpm;

#[cfg(test)]
mod tests;
