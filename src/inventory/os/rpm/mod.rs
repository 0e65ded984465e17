//! rpm's database, in the three forms that it has had: a hash of Berkeley DB until 4.16, SQLite since, and SUSE's own.
//!
//! All of them keep the header of each installed package as one record; `header` reads that, and the others find the records.

pub mod bdb;
mod budget;
mod header;
pub mod ndb;
pub mod sqlite;

use std::fmt;

use crate::inventory::ReadFile;

/// Takes in the header of one package. `which` names it where it cannot be read. False if there is no room for more.
fn take(path: &str, which: impl fmt::Display, header: &[u8], read: &mut ReadFile) -> bool {
    match header::read(header) {
        Ok(Some(found)) => {
            if found.is_replaced {
                read.refuse(path, format_args!("{which} has bytes that are no UTF-8; they are replaced by `\u{fffd}`"));
            }
            read.add(path, found.package)
        }
        Ok(None) => true,
        Err(why) => {
            read.refuse(path, format_args!("{which} {why}"));
            true
        }
    }
}

#[cfg(test)]
mod tests;
