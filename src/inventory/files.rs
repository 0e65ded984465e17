//! Which files of an image say something of packages, who reads them, and how much of them may be held.
//!
//! In: a path, a size and a mode, as an archive names them. Out: the reader. Decides by the name alone; whether a file is what its name promises is
//! seen by its reader.

/// Who reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// Debian's list of packages.
    DpkgStatus,
    /// Of one package, where an image has no package manager (distroless).
    DpkgStatusD,
    /// Debian's licence of one package.
    DpkgCopyright,
    /// Alpine's list of packages.
    ApkInstalled,
    /// rpm's database since 4.16.
    RpmSqlite,
    /// What a process that died had not yet written into that database; empty otherwise.
    RpmSqliteLog,
    /// rpm's own database, as SUSE has it.
    RpmNdb,
    /// rpm's database until 4.16, a hash of Berkeley DB.
    RpmBdb,
    /// The distribution.
    OsRelease,
    /// Python's metadata of one package.
    PythonMetadata,
    /// A `package.json`: of an installed package below `node_modules`, of an application elsewhere.
    NpmPackage,
    /// What npm chose.
    NpmLock,
    /// A Java archive.
    Jar,
    /// Ruby's specification of one package.
    Gemspec,
    /// What Composer installed.
    ComposerInstalled,
    /// A program or library that may say what it was made of.
    Executable,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A package's own few kilobytes; Debian's copyright file of boost has 2 MB.
const NOTE_BYTES_MAX: u64 = 4 * MIB;
/// A list of packages as text, about 1 KB each: tens of thousands of them.
const LIST_BYTES_MAX: u64 = 64 * MIB;
/// rpm's database has every file's name and digest in it, some 50 KB a package: thousands of them.
const DATABASE_BYTES_MAX: u64 = 256 * MIB;
/// An application with all that it needs in one archive may have 100 MB, and the directory of such an archive is at its end.
const ARCHIVE_BYTES_MAX: u64 = 256 * MIB;
/// What is read as it passes is not held; its own reader bounds what it keeps.
const STREAMED: u64 = u64::MAX;

/// Programs below this say nothing: an empty one of Go has over 1 MB, one of Rust with its own library 200 KB. It spares a look at most scripts.
const EXECUTABLE_BYTES_MIN: u64 = 16 * KIB;

/// Where rpm keeps its database: of old, since Fedora 36 and on SUSE, and on systems with an immutable root.
const RPM_FOLDERS: [&str; 3] = ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"];

/// Where a distribution says what it is and which packages are installed. `*` stands for every file of its folder.
pub const LISTS: [&str; 18] = [
    "etc/os-release",
    "usr/lib/os-release",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/*",
    "lib/apk/db/installed",
    "usr/lib/apk/db/installed",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/rpmdb.sqlite-wal",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/Packages",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
    "usr/lib/sysimage/rpm/Packages.db",
    "usr/lib/sysimage/rpm/Packages",
    "usr/share/rpm/rpmdb.sqlite",
    "usr/share/rpm/rpmdb.sqlite-wal",
    "usr/share/rpm/Packages.db",
    "usr/share/rpm/Packages",
];

/// Whether this is one of a distribution's [`LISTS`], or a folder in which one is looked for: whatever hides it may hide packages.
pub fn leads_to_list(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_above = |list: &str| list.strip_prefix(path).is_some_and(|below| below.starts_with('/'));
    of_distro(folder, name, u64::MAX).is_some_and(|reader| reader != Reader::DpkgCopyright) || LISTS.iter().any(|list| is_above(list))
}

/// Which reader a file is for, and how many bytes of it may be held at once; a larger one is to be named as unreadable.
///
/// `path` is from the root of the image, without a leading `/`; `mode` has the bits of permission. None for a file that says nothing of packages.
pub fn reader_of(path: &str, size: u64, mode: u32) -> Option<(Reader, u64)> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let reader = of_distro(folder, name, size).or_else(|| of_language(folder, name)).or_else(|| executable(name, size, mode))?;
    Some((reader, held_max(reader)))
}

/// Bytes of a file that its reader may be given at once.
fn held_max(reader: Reader) -> u64 {
    match reader {
        Reader::DpkgStatusD | Reader::DpkgCopyright | Reader::OsRelease | Reader::PythonMetadata | Reader::NpmPackage | Reader::Gemspec => {
            NOTE_BYTES_MAX
        }
        Reader::DpkgStatus | Reader::ApkInstalled | Reader::NpmLock | Reader::ComposerInstalled => LIST_BYTES_MAX,
        Reader::RpmSqlite | Reader::RpmSqliteLog | Reader::RpmNdb | Reader::RpmBdb => DATABASE_BYTES_MAX,
        Reader::Jar => ARCHIVE_BYTES_MAX,
        Reader::Executable => STREAMED,
    }
}

fn of_distro(folder: &str, name: &str, size: u64) -> Option<Reader> {
    match (folder, name) {
        ("var/lib/dpkg", "status") => Some(Reader::DpkgStatus),
        ("var/lib/dpkg/status.d", _) => (!name.ends_with(".md5sums")).then_some(Reader::DpkgStatusD),
        ("lib/apk/db" | "usr/lib/apk/db", "installed") => Some(Reader::ApkInstalled),
        ("etc" | "usr/lib", "os-release") => Some(Reader::OsRelease),
        (_, "copyright") => folder.strip_prefix("usr/share/doc/").filter(|package| !package.contains('/')).map(|_| Reader::DpkgCopyright),
        (_, "rpmdb.sqlite") if RPM_FOLDERS.contains(&folder) => Some(Reader::RpmSqlite),
        (_, "rpmdb.sqlite-wal") if RPM_FOLDERS.contains(&folder) && size > 0 => Some(Reader::RpmSqliteLog),
        (_, "Packages.db") if RPM_FOLDERS.contains(&folder) => Some(Reader::RpmNdb),
        (_, "Packages") if RPM_FOLDERS.contains(&folder) => Some(Reader::RpmBdb),
        _ => None,
    }
}

fn of_language(folder: &str, name: &str) -> Option<Reader> {
    match name {
        "METADATA" => folder.ends_with(".dist-info").then_some(Reader::PythonMetadata),
        "PKG-INFO" => folder.ends_with(".egg-info").then_some(Reader::PythonMetadata),
        "package.json" => is_package(folder).then_some(Reader::NpmPackage),
        "package-lock.json" | "npm-shrinkwrap.json" => (!is_in_node_modules(folder)).then_some(Reader::NpmLock),
        ".package-lock.json" => Some(Reader::NpmLock),
        "installed.json" => (folder == "vendor/composer" || folder.ends_with("/vendor/composer")).then_some(Reader::ComposerInstalled),
        _ => match name.rsplit_once('.')?.1 {
            "egg-info" => Some(Reader::PythonMetadata),
            "jar" | "war" | "ear" | "jpi" | "hpi" => Some(Reader::Jar),
            "gemspec" => folder.split('/').any(|part| part == "specifications").then_some(Reader::Gemspec),
            _ => None,
        },
    }
}

/// Whether a `package.json` of this folder is of a package: below `node_modules` only at the place that `require` looks in.
///
/// Deeper ones are test data, or mark the kind of modules in a folder.
fn is_package(folder: &str) -> bool {
    let parts: Vec<&str> = folder.split('/').collect();
    let after = parts.iter().rposition(|part| *part == "node_modules").map(|at| &parts[at + 1..]);
    match after {
        None => true,
        Some([name]) => !name.starts_with(['.', '@']),
        Some([scope, _]) => scope.starts_with('@'),
        Some(_) => false,
    }
}

/// A lock that was published with a package says what its author had, not what is installed.
fn is_in_node_modules(folder: &str) -> bool {
    folder.split('/').any(|part| part == "node_modules")
}

fn executable(name: &str, size: u64, mode: u32) -> Option<Reader> {
    let is_run = mode & 0o111 != 0 || name.ends_with(".so") || name.contains(".so.");
    (is_run && size >= EXECUTABLE_BYTES_MIN).then_some(Reader::Executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_by_the_reader_of_its_name() {
        for (path, reader) in [
            ("var/lib/dpkg/status", Some(Reader::DpkgStatus)),
            ("var/lib/dpkg/status-old", None),
            ("srv/chroot/var/lib/dpkg/status", None),
            ("var/lib/dpkg/status.d/libc6", Some(Reader::DpkgStatusD)),
            ("var/lib/dpkg/status.d/libc6.md5sums", None),
            ("usr/share/doc/libc6/copyright", Some(Reader::DpkgCopyright)),
            ("usr/share/doc/libc6/examples/copyright", None),
            ("lib/apk/db/installed", Some(Reader::ApkInstalled)),
            ("usr/lib/apk/db/installed", Some(Reader::ApkInstalled)),
            ("etc/os-release", Some(Reader::OsRelease)),
            ("usr/lib/os-release", Some(Reader::OsRelease)),
            ("var/lib/rpm/Packages", Some(Reader::RpmBdb)),
            ("var/lib/rpm/Name", None),
            ("usr/lib/sysimage/rpm/rpmdb.sqlite", Some(Reader::RpmSqlite)),
            ("usr/lib/sysimage/rpm/rpmdb.sqlite-wal", Some(Reader::RpmSqliteLog)),
            ("usr/lib/sysimage/rpm/Packages.db", Some(Reader::RpmNdb)),
            ("opt/v/lib/python3.12/site-packages/six-1.16.0.dist-info/METADATA", Some(Reader::PythonMetadata)),
            ("usr/lib/python3/dist-packages/six.egg-info/PKG-INFO", Some(Reader::PythonMetadata)),
            ("usr/lib/python3/dist-packages/six-1.16.0.egg-info", Some(Reader::PythonMetadata)),
            ("METADATA", None),
            ("app/package.json", Some(Reader::NpmPackage)),
            ("package.json", Some(Reader::NpmPackage)),
            ("app/node_modules/a/package.json", Some(Reader::NpmPackage)),
            ("app/node_modules/@b/a/package.json", Some(Reader::NpmPackage)),
            ("app/node_modules/a/node_modules/b/package.json", Some(Reader::NpmPackage)),
            ("app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json", Some(Reader::NpmPackage)),
            ("app/node_modules/a/test/package.json", None),
            ("app/package-lock.json", Some(Reader::NpmLock)),
            ("app/node_modules/.package-lock.json", Some(Reader::NpmLock)),
            ("app/node_modules/a/package-lock.json", None),
            ("app/a.jar", Some(Reader::Jar)),
            ("srv/jenkins/plugins/git.hpi", Some(Reader::Jar)),
            ("usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.6.gemspec", Some(Reader::Gemspec)),
            ("usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec", Some(Reader::Gemspec)),
            ("usr/lib/ruby/gems/3.1.0/gems/rake-13.0.6/rake.gemspec", None),
            ("app/vendor/composer/installed.json", Some(Reader::ComposerInstalled)),
            ("vendor/composer/installed.json", Some(Reader::ComposerInstalled)),
            ("lib/x86_64-linux-gnu/libc.so.6", Some(Reader::Executable)),
            ("etc/passwd", None),
            ("", None),
        ] {
            assert_eq!(reader_of(path, 100_000, 0o644).map(|(reader, _)| reader), reader, "{path}");
        }
    }

    #[test]
    fn every_list_of_a_distribution_has_a_reader_and_is_reached_by_all_folders_above_it() {
        for list in LISTS {
            assert!(reader_of(list, u64::MAX, 0).is_some_and(|(reader, _)| reader < Reader::PythonMetadata), "{list}");
            for (at, _) in list.match_indices('/').chain([(list.len(), "")]) {
                assert!(leads_to_list(&list[..at]), "{}", &list[..at]);
            }
        }
        for (path, leads) in [
            ("var/lib/dpkg/status.d/libc6", true),
            ("var/lib/dpkg/status.d/libc6.md5sums", false),
            ("var/lib/dpkg/status.d/a/b", false),
            ("var/lib/dpkg/status-old", false),
            ("va", false),
            ("var/lib/rp", false),
            ("usr/share/doc/libc6/copyright", false),
            ("app/package.json", false),
            ("opt", false),
        ] {
            assert_eq!(leads_to_list(path), leads, "{path}");
        }
    }

    #[test]
    fn a_program_is_what_may_be_run_and_is_large_enough() {
        for (path, size, mode, is_program) in [
            ("usr/bin/refit", 1 << 20, 0o755, true),
            ("usr/bin/refit", 1 << 20, 0o644, false),
            ("usr/bin/ldd", 5_000, 0o755, false),
            ("usr/lib/libz.so", 1 << 20, 0o644, true),
            ("usr/share/a.sources", 1 << 20, 0o644, false),
        ] {
            assert_eq!(reader_of(path, size, mode), is_program.then_some((Reader::Executable, u64::MAX)), "{path}");
        }
        assert_eq!(reader_of("app/a.jar", 100_000, 0o755).map(|(reader, _)| reader), Some(Reader::Jar), "a name says more than a permission");
        assert_eq!(reader_of("var/lib/rpm/rpmdb.sqlite-wal", 0, 0o644), None, "an empty log hides nothing");
    }
}
